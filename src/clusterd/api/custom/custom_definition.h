#pragma once
/*
 * The kinds a CustomResourceDefinition makes: the structures of kind.h on the heap, one kind for each version. They are
 * immutable and live as long as the scheme they were put into (scheme.h); a later state of the definition makes new
 * ones.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/custom/schema.h"
#include "clusterd/api/kind.h"

#define CUSTOM_VERSIONS_MAX 100 /* of one definition */
#define CUSTOM_COLUMNS_MAX 100  /* of one version */

typedef struct CustomDefinition CustomDefinition;

/* Where the scale subresource finds its numbers: dotted paths split into members, NULL-terminated. */
typedef struct ApiScalePaths {
  char **spec_replicas, **status_replicas;
  char **selector; /* NULL: no labelSelectorPath */
} ApiScalePaths;

struct ApiCustom {
  _Atomic(const ApiKind *) successor; /* the same version and kind as a later state of the definition has it, or NULL */
  const CustomDefinition *definition;
  bool served;                /* clients may ask for it; other versions only describe what is stored */
  bool canonical;             /* one version of each resource, served if any is: to visit every object once */
  bool has_rules;             /* its schema has CEL rules, which nobody enforces yet */
  const ApiScalePaths *scale; /* NULL: no scale subresource */
  ApiSchema *schema;          /* of the whole object */
};

/* Compiles DEFINITION (a CustomResourceDefinition of apiextensions.k8s.io/v1) with the names of its
 * status.acceptedNames. DEFINITION is held, and must never change from now on. NULL with REASON_INVALID. */
CustomDefinition *custom_definition_new(const json_t *definition, GError **error);
void custom_definition_free(CustomDefinition *definition);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CustomDefinition, custom_definition_free)

/* metadata.name ("crontabs.stable.example.com"); its group, plural and kind. Borrowed. */
const char *custom_definition_name(const CustomDefinition *definition);

/* Equal for two states of one definition that make the same kinds. Borrowed. */
const char *custom_definition_digest(const CustomDefinition *definition);
/* The digest DEFINITION (JSON) would have. The caller frees. */
char *custom_definition_digest_of(const json_t *definition);

/* spec.conversion.webhook, or NULL when versions differ in nothing but apiVersion. Borrowed. */
const json_t *custom_definition_webhook(const CustomDefinition *definition);

/* Who converts by webhook: VALUE in API_VERSION, new reference, or NULL with the error. */
typedef json_t *(*CustomConverter)(const CustomDefinition *definition, const char *api_version, const json_t *value,
                                   void *data, GError **error);
/* Before the definition is put into a scheme. */
void custom_definition_set_converter(CustomDefinition *definition, CustomConverter converter, void *data);
/* Asks the converter; REASON_INTERNAL when there is none. */
json_t *custom_definition_convert(const CustomDefinition *definition, const char *api_version, const json_t *value,
                                  GError **error);

/* The kinds of all versions (ApiKind*), served or not. Borrowed. */
const GPtrArray *custom_definition_kinds(const CustomDefinition *definition);

/* Makes the kinds of LATER the successors of those of BEFORE. For the scheme. */
void custom_definition_succeed(CustomDefinition *before, const CustomDefinition *later);

/* KIND as it is now: what holds on to a kind (a watch) and works long asks this each time. */
const ApiKind *api_kind_current(const ApiKind *kind);

/* True for exactly one version of every resource, which is served if any is: for those who visit all objects there are.
 */
bool api_kind_is_canonical(const ApiKind *kind);
