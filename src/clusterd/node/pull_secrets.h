#pragma once
/* What a pod may show to a registry. Source: Kubernetes "Pull an Image from a Private Registry". */
#include <jansson.h>

#include "clusterd/node/cluster_view.h"

/* {username, password, …} from the imagePullSecrets of POD for the registry of REFERENCE; NULL: none. New reference. */
json_t *pull_secrets_find(const ClusterView *view, const json_t *pod, const char *reference);
