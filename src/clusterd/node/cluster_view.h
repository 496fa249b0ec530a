#pragma once
/* What the kubelet reads of the cluster and of its node; filled from informers, or by a test from literals. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ClusterView {
  void *data;
  /* An object of core/v1 by plural ("configmaps", "secrets", "persistentvolumeclaims", "persistentvolumes", "nodes"),
   * or one of "runtimeclasses"; NAMESPACE_ is NULL for cluster-scoped kinds. New reference; NULL: absent. */
  json_t *(*object)(void *data, const char *plural, const char *namespace_, const char *name);
  /* The services of a namespace: json_t*, elements freed with the array. */
  GPtrArray *(*services)(void *data, const char *namespace_);
  /* Takes the claim of uid CLAIM_UID, which one pod alone may use, for POD; false: another pod on this node has it, and
   * is not over. NULL: nobody looks. */
  bool (*take_claim)(void *data, const char *claim_uid, const json_t *pod);
  /* A token of SERVICE_ACCOUNT for a pod; the caller frees. NULL with the error. */
  char *(*token)(void *data, const json_t *pod, const char *audience, int64_t lifetime_seconds, int64_t *expires_us,
                 GError **error);
} ClusterView;

typedef struct NodeFacts {
  const char *name, *ip;
  const char *other_ip; /* of the other IP family; NULL: none */
  const char *dns_ip, *dns_domain;
  int64_t cpu_milli, memory_bytes; /* what the node has */
  const json_t *allocatable;       /* {resource: quantity}: what of it pods may have; NULL: all */
} NodeFacts;
