#pragma once
/* What images of pause containers are made of: our own program alone, so that no registry is needed. */
#include <glib.h>

/* The program: clusterd-pause beside this one, else where it is installed. The caller frees. */
char *pause_program(void);

/* The tar of a root file system with nothing but PROGRAM in it, as PAUSE_NAME. */
GBytes *pause_layer(GBytes *program);
