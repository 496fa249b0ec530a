#pragma once
/* Fields of a pod as text, for environment variables and files. Source: Kubernetes "Downward API". */
#include <glib.h>
#include <jansson.h>

#include "clusterd/node/address_pair.h"
#include "clusterd/node/cluster_view.h"

/* A fieldRef's path: metadata.{name,namespace,uid,labels,annotations}, labels['KEY'],
 * spec.{nodeName,serviceAccountName}, status.{podIP,podIPs,hostIP,hostIPs}. Of several
 * addresses the plurals show all, comma-separated. NULL with
 * REASON_INVALID for another path. The caller frees. */
char *field_ref_text(const json_t *pod, const char *path, AddressPair pod_ips, const NodeFacts *node, GError **error);

/* A resourceFieldRef {containerName, resource, divisor}: rounded up; a limit that is not set is the node's. CONTAINER
 * is used where no containerName is given; may be NULL. The caller frees. */
char *field_ref_resource(const json_t *pod, const json_t *container, const json_t *ref, const NodeFacts *node,
                         GError **error);
