#pragma once
/* What a container is asked for with. Internal to node/cri. */
#include "clusterd/node/cri/cri_runtime.h"

/* The request that makes SPEC's container in the sandbox whose status is SANDBOX. IMAGE may be NULL: it is needed only
 * when a group but no user is given. All memory is ARENA's or SPEC's. NULL with REASON_RUNTIME. */
Cri__CreateContainerRequest *cri_container_request(CriArena *arena, const Cri__SandboxStatus *sandbox,
                                                   const ContainerSpec *spec, const ImageStatus *image, GError **error);

/* The member KEY of the container's security context, or the pod's. Borrowed, may be NULL. */
const json_t *cri_security(const ContainerSpec *spec, const char *key);

/* The container's security context. */
Cri__ContainerSecurity *cri_container_security(CriArena *arena, const Cri__SandboxStatus *sandbox,
                                               const ContainerSpec *spec, const ImageStatus *image, GError **error);
