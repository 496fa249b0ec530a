#pragma once
/* The Pod Security Standards: what a pod must not ask for at a level, in every version of the standards.
 * Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/, k8s.io/pod-security-admission. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

typedef enum PodSecurityLevel {
  POD_SECURITY_PRIVILEGED,
  POD_SECURITY_BASELINE,
  POD_SECURITY_RESTRICTED,
} PodSecurityLevel;

#define POD_SECURITY_LATEST (-1)
#define POD_SECURITY_NEWEST 32 /* the version "latest" stands for */

/* "restricted:latest", "baseline:v1.24". */
typedef struct PodSecurityPolicy {
  PodSecurityLevel level;
  int minor; /* of version 1; POD_SECURITY_LATEST */
} PodSecurityPolicy;

/* The policy's text; the caller frees. */
char *pod_security_policy_text(PodSecurityPolicy policy);

/* What POD (a Pod, or a pod template: its metadata and spec count) does that POLICY forbids: "privileged, hostPort",
 * with DETAILS also which container or volume does so, in parentheses. NULL: nothing. The caller frees. */
char *pod_security_violations(PodSecurityPolicy policy, const json_t *pod, bool details);

/* --- inside: pod_security_baseline.c, pod_security_restricted.c --- */

/* A pod on its way through the checks. */
typedef struct PodView {
  const json_t *annotations, *spec;
  const json_t *context; /* spec.securityContext */
  GPtrArray *containers; /* json_t*: init containers, containers, ephemeral ones */
  int minor;             /* of the version that is checked */
} PodView;

/* What a check found: REASON in a few words, DETAIL who and what; both owned. */
typedef struct PodFinding {
  char *reason, *detail;
} PodFinding;

typedef struct PodCheck {
  const char *id; /* upstream's; checks of one level are reported in this order */
  int since;      /* minor version */
  bool (*violates)(const PodView *pod, PodFinding *finding);
  const char *replaces; /* restricted only: the baseline check this one says more than */
} PodCheck;

extern const PodCheck pod_security_baseline[];
extern const gsize pod_security_n_baseline;
extern const PodCheck pod_security_restricted[];
extern const gsize pod_security_n_restricted;

/* CONTAINER's securityContext; NULL when it has none. */
const json_t *pod_check_context(const json_t *container);

/* Texts for findings; the caller frees. `"a", "b"`; the same of a set, sorted and each once; `container "a"` or
 * `containers "a", "b"`; `pod`, `container "a"` or `pod and containers "a", "b"`. */
char *pod_check_quote(const GPtrArray *names);
char *pod_check_quote_set(GPtrArray *names);
char *pod_check_containers(const GPtrArray *names);
char *pod_check_setters(bool pod, const GPtrArray *names);

/* Fills FINDING; takes DETAIL. True. */
bool pod_check_found(PodFinding *finding, const char *reason, char *detail);

/* The names of the containers for which BAD is true. Array of borrowed texts. */
GPtrArray *pod_check_select(const PodView *pod, bool (*bad)(const json_t *container, const PodView *pod));

/* The profiles pod and containers set that are not allowed: true when there are any. *INHERITED is whether the pod sets
 * an allowed one for all. */
bool pod_check_bad_seccomp(const PodView *pod, PodFinding *finding, bool *inherited);
