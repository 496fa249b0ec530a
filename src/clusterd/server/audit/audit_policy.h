#pragma once
/* What of which requests is written down: audit.k8s.io/v1 Policy, read once at start and never changed afterwards.
 * Source: https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/ */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/server/access/identity.h"
#include "clusterd/server/request_info.h"

#define AUDIT_POLICY_MAX (1u << 20) /* bytes of the file */

typedef enum AuditLevel { AUDIT_NONE, AUDIT_METADATA, AUDIT_REQUEST, AUDIT_REQUEST_RESPONSE } AuditLevel;

/* Bits. */
typedef enum AuditStage {
  AUDIT_REQUEST_RECEIVED = 1 << 0,
  AUDIT_RESPONSE_STARTED = 1 << 1,
  AUDIT_RESPONSE_COMPLETE = 1 << 2,
  AUDIT_PANIC = 1 << 3,
} AuditStage;

typedef struct AuditDecision {
  AuditLevel level;
  unsigned omitted; /* AuditStage bits */
  bool omit_managed_fields;
} AuditDecision;

typedef struct AuditPolicy AuditPolicy;

/* The YAML file PATH. NULL with REASON_FILE, or REASON_CONFIG with all that is wrong, a line each. */
AuditPolicy *audit_policy_read(const char *path, GError **error);
void audit_policy_free(AuditPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AuditPolicy, audit_policy_free)

/* What the first rule that fits says. PATH is the request's; IDENTITY NULL is nobody, whom no rule about users fits. */
AuditDecision audit_policy_decide(const AuditPolicy *policy, const Identity *identity, const RequestInfo *info,
                                  const char *path);

/* "Metadata", "ResponseComplete". */
const char *audit_level_name(AuditLevel level);
const char *audit_stage_name(AuditStage stage);
