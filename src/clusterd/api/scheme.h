#pragma once
/* The kinds a server knows: the built-in tables, and those that CustomResourceDefinitions added at run time. */
#include <glib.h>

#include "clusterd/api/custom/custom_definition.h"
#include "clusterd/api/kind.h"

typedef struct ApiScheme ApiScheme;

/* A scheme of all built-in kinds but measured ones. The caller frees with api_scheme_free. All calls are thread-safe:
 * built-in kinds are found without a lock, others under one that readers share. Kinds live as long as the scheme: a
 * custom kind that is removed or replaced is only hidden. */
ApiScheme *api_scheme_new(void);
void api_scheme_free(ApiScheme *scheme);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ApiScheme, api_scheme_free)

/* Serves the measured kinds of GROUP, too ("metrics.k8s.io"). Before any other thread knows the scheme. */
void api_scheme_enable(ApiScheme *scheme, const char *group);

/* By group, version and kind name or plural resource name; NULL when unknown or not served. GROUP "" is core. */
const ApiKind *api_scheme_kind(const ApiScheme *scheme, const char *group, const char *version, const char *kind);
const ApiKind *api_scheme_resource(const ApiScheme *scheme, const char *group, const char *version, const char *plural);

/* By the apiVersion and kind members of OBJECT; NULL when unknown. */
const ApiKind *api_scheme_kind_of(const ApiScheme *scheme, const json_t *object);

/* The custom kind that objects of this version are, served or not; NULL when there is none. */
const ApiKind *api_scheme_stored_kind(const ApiScheme *scheme, const char *group, const char *version,
                                      const char *kind);

/* Puts the kinds of DEFINITION (taken) in place of those the definition of the same name had before. Whoever looks sees
 * all of the old ones or all of the new ones. */
void api_scheme_install(ApiScheme *scheme, CustomDefinition *definition);

/* Hides the kinds of the definition NAME. False when there are none. */
bool api_scheme_uninstall(ApiScheme *scheme, const char *name);

/* The definition installed under NAME, or NULL. It lives as long as the scheme. */
const CustomDefinition *api_scheme_definition(const ApiScheme *scheme, const char *name);

/* Grows whenever the kinds change: what was derived from the scheme before is out of date then. */
unsigned api_scheme_generation(const ApiScheme *scheme);

/* All kinds in discovery order (groups by upstream's priority, then versions, then plural). The caller frees the
 * array, not the kinds. */
GPtrArray *api_scheme_list(const ApiScheme *scheme);

/* Whether the built-in kinds of GROUP and VERSION are measured ones, enabled or not. */
bool api_builtin_is_measured(const char *group, const char *version);

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
