#pragma once
/* Which kernel settings a pod may ask for (securityContext.sysctls): those that are its own and harm nobody, and those
 * the node's owner allows. Source: Kubernetes "Using sysctls in a Kubernetes Cluster", pkg/kubelet/sysctl. */
#include <glib.h>
#include <jansson.h>

#define SYSCTLS_REASON "SysctlForbidden" /* of a pod that may not run */

/* NAME with dots between its parts, however it was written ("net/ipv4/x", "net.ipv4.x"). The caller frees. */
char *sysctls_dotted(const char *name);

/* Why POD may not run: "forbidden sysctl: "kernel.x" not allowlisted"; the caller frees. NULL: it may. ALLOWED (may be
 * NULL): names and "prefix*" besides those that are safe. */
char *sysctls_refusal(const json_t *pod, const char *const *allowed);

/* What is wrong with PATTERN as one of those; the caller frees. NULL: nothing. */
char *sysctls_pattern_problem(const char *pattern);
