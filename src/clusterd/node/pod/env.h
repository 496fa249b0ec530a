#pragma once
/* The environment and command line of a container. Source: Kubernetes "Define Environment Variables for a Container",
 * "Accessing the Service" (service variables), expansion of $(VAR). */
#include <glib.h>
#include <jansson.h>

#include "clusterd/node/address_pair.h"
#include "clusterd/node/cluster_view.h"

typedef struct EnvContext {
  const json_t *pod, *container;
  const ClusterView *view;
  const NodeFacts *node;
  AddressPair pod_ips;
} EnvContext;

/* An ordered environment: later names override earlier ones in place. */
typedef struct Env Env;
void env_free(Env *env);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Env, env_free)

/* Service variables, then envFrom, then env. *SKIPPED (may be NULL) gets the names from envFrom that are no variable
 * names (char*, freed with the array). NULL with REASON_INVALID where a key, config map or secret is missing
 * (CreateContainerConfigError, with upstream's message). */
Env *env_build(const EnvContext *context, GPtrArray **skipped, GError **error);

/* "K=V" strings, NULL-terminated. The caller frees with g_strfreev. */
char **env_strings(const Env *env);

/* TEXT with every $(NAME) of the environment replaced and $$ as $; unknown names stay as they are. The caller frees. */
char *env_expand(const Env *env, const char *text);

/* As env_expand(), but NULL with REASON_INVALID where a name is unknown ("missing value for "X""). */
char *env_expand_known(const Env *env, const char *text, GError **error);

/* A JSON array of strings, each expanded. NULL when VALUES is absent or empty. The caller frees with g_strfreev. */
char **env_expand_all(const Env *env, const json_t *values);
