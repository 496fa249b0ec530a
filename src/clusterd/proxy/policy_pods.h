#pragma once
/*
 * The pods that network policies speak of, by namespace and by address. Pods of the host's network have no address of
 * their own and are left out, as are those that have ended. One family at a time. Reads borrowed objects; a pure
 * function of them.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ip_address.h"

typedef enum PolicyDirection { POLICY_INGRESS, POLICY_EGRESS, POLICY_DIRECTIONS } PolicyDirection;

typedef struct PolicyPod {
  IpNumber number;                           /* its address of the family asked for */
  const char *ip;                            /* the same, borrowed */
  bool is_local;                             /* runs here: its traffic is judged here */
  const json_t *object;                      /* borrowed */
  GPtrArray *isolated_by[POLICY_DIRECTIONS]; /* char*, borrowed: ids of the policies that select it; may be empty */
} PolicyPod;

typedef struct PolicyPods {
  GPtrArray *all;              /* PolicyPod*, owned, sorted by address */
  GHashTable *by_namespace;    /* name → GPtrArray of PolicyPod*, borrowed */
  GHashTable *labels_of_space; /* name of a namespace → its json_t labels, borrowed, may be NULL */
  json_t *dns_pod;
} PolicyPods;

typedef struct PolicyPodsInput {
  const GPtrArray *pods, *namespaces; /* json_t* of the whole cluster */
  const char *node_name;
  const char *dns_ip; /* where this machine itself answers DNS: to policies a pod as upstream's; may be NULL */
  IpFamily family;    /* pods without an address of it are left out */
} PolicyPodsInput;

PolicyPods *policy_pods_read(const PolicyPodsInput *input);
void policy_pods_free(PolicyPods *pods);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PolicyPods, policy_pods_free)

/* The pods of a namespace (PolicyPod*, borrowed), or NULL. */
const GPtrArray *policy_pods_of(const PolicyPods *pods, const char *namespace_);

/* The number of POD's container port NAME of PROTOCOL ("TCP"), 0 when it has none. The first one counts. */
uint16_t policy_pod_port(const PolicyPod *pod, const char *name, const char *protocol);
