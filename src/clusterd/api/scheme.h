#pragma once
/* The kinds a server knows: the built-in tables, and those that CustomResourceDefinitions added at run time. */
#include <glib.h>

#include "clusterd/api/kind.h"

typedef struct ApiScheme ApiScheme;

/* A scheme of all built-in kinds. The caller frees with api_scheme_free. All calls are thread-safe. Kinds live as long
 * as the scheme: a removed custom kind is only hidden. */
ApiScheme *api_scheme_new(void);
void api_scheme_free(ApiScheme *scheme);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ApiScheme, api_scheme_free)

/* By group, version and kind name or plural resource name; NULL when unknown. GROUP "" is core. */
const ApiKind *api_scheme_kind(const ApiScheme *scheme, const char *group, const char *version, const char *kind);
const ApiKind *api_scheme_resource(const ApiScheme *scheme, const char *group, const char *version, const char *plural);

/* By the apiVersion and kind members of OBJECT; NULL when unknown. */
const ApiKind *api_scheme_kind_of(const ApiScheme *scheme, const json_t *object);

/* All kinds in discovery order (groups by upstream's priority, then versions, then plural). The caller frees the
 * array, not the kinds. */
GPtrArray *api_scheme_list(const ApiScheme *scheme);

/* The generated table itself, for tests and tools: N_KINDS gets its length. */
const ApiKind *const *api_builtin_kinds(size_t *n_kinds);

/* All generated messages, sorted by name (byte order). */
const ApiMessage *const *api_builtin_messages(size_t *n_messages);

/* A message that is no kind of its own but is sent to the API (DeleteOptions, Status, Scale, TokenRequest…), by its
 * OpenAPI name ("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"); NULL when unknown. */
const ApiMessage *api_builtin_message(const char *openapi_name);

/* The same by group, version and kind, as an ApiSubresource or a body names it: ("autoscaling", "v1", "Scale"). The
 * meta types (DeleteOptions, Status…) are found under every group and version. */
const ApiMessage *api_builtin_message_of(const char *group, const char *version, const char *kind);

/* Where the messages of a group-version are: the prefix of their OpenAPI names. */
typedef struct ApiPackage {
  const char *group, *version;
  const char *name; /* "io.k8s.api.core.v1" */
} ApiPackage;
const ApiPackage *api_builtin_packages(size_t *n_packages);
