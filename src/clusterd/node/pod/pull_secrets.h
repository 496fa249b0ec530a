#pragma once
/* What a pod may show to a registry. Source: Kubernetes "Pull an Image from a Private Registry", "Images"
 * (interpretation of config.json), pkg/credentialprovider. */
#include <jansson.h>

#include "clusterd/node/cluster_view.h"

/* [{username, password} or {identitytoken}…] from the imagePullSecrets of POD for the image REFERENCE, the most
 * specific first: what names its registry (with "*" for parts of the host) and the beginning of its path. NULL: none.
 * New reference. */
json_t *pull_secrets_find(const ClusterView *view, const json_t *pod, const char *reference);
