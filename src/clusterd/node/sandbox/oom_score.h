#pragma once
/* How likely the kernel is to end a process when memory runs out. */
#include <stdint.h>

/* What we have ourselves of capabilities and can therefore pass on. In a machine that is a container it is less than
 * the kernel knows. */
uint64_t own_capabilities(void);

/* The oom_score_adj nearest to WANTED that this process may give: only who may claim resources can make its children
 * likelier to survive than itself. */
int oom_score_allowed(int wanted);
