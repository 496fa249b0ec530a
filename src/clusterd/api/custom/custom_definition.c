#include "clusterd/api/custom/custom_definition.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/json_path.h"
#include "clusterd/api/scheme.h"

#define OBJECT_META "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
#define ALL_VERBS                                                                                                      \
  (API_VERB_GET | API_VERB_LIST | API_VERB_WATCH | API_VERB_CREATE | API_VERB_UPDATE | API_VERB_PATCH |                \
   API_VERB_DELETE | API_VERB_DELETECOLLECTION)
#define SUBRESOURCE_VERBS (API_VERB_GET | API_VERB_UPDATE | API_VERB_PATCH)

/* One version, with everything its kind points to. */
typedef struct Version {
  ApiKind kind; /* first: a Version is found by its kind */
  ApiCustom custom;
  ApiMessage message;
  ApiField metadata;
  ApiScalePaths scale;
  GArray *subresources; /* ApiSubresource */
  GArray *columns;      /* ApiColumn */
  GArray *selectable;   /* ApiSelectableField */
  GPtrArray *paths;     /* JsonPath*, of the columns */
} Version;

struct CustomDefinition {
  json_t *value;       /* the definition; most strings of the kinds are its own */
  GStringChunk *texts; /* the others */
  GPtrArray *kinds;    /* ApiKind*, each the first member of a Version */
  char **short_names, **categories;
  char *digest;
  CustomConverter converter;
  void *converter_data;
};

static void version_free(void *data)
{
  Version *version = data;
  schema_free(version->custom.schema);
  g_strfreev(version->scale.spec_replicas);
  g_strfreev(version->scale.status_replicas);
  g_strfreev(version->scale.selector);
  g_array_unref(version->subresources);
  g_array_unref(version->columns);
  g_array_unref(version->selectable);
  g_ptr_array_unref(version->paths);
  g_free(version);
}

static Version *version_new(void)
{
  Version *version = g_new0(Version, 1);
  version->subresources = g_array_new(FALSE, TRUE, sizeof(ApiSubresource));
  version->columns = g_array_new(FALSE, TRUE, sizeof(ApiColumn));
  version->selectable = g_array_new(FALSE, TRUE, sizeof(ApiSelectableField));
  version->paths = g_ptr_array_new_with_free_func((GDestroyNotify)json_path_free);
  return version;
}

/* The strings of an array, NULL-terminated; NULL when there are none. They stay the array's. */
static char **borrow_strings(const json_t *array)
{
  g_autoptr(GPtrArray) texts = g_ptr_array_new();
  for (size_t i = 0; i < json_array_size(array); i++)
    if (json_is_string(json_array_get(array, i)))
      g_ptr_array_add(texts, (char *)(uintptr_t)json_string_value(json_array_get(array, i)));
  if (texts->len == 0)
    return NULL;
  g_ptr_array_add(texts, NULL);
  return (char **)g_ptr_array_steal(texts, NULL);
}

/* ".spec.replicas" → { "spec", "replicas" }; NULL when there is no such path. */
static char **split_path(const json_t *paths, const char *name)
{
  const char *path = json_str(paths, name, "");
  return *path == '.' && path[1] ? g_strsplit(path + 1, ".", SCHEMA_DEPTH_MAX) : NULL;
}

static void add_subresources(Version *version, const json_t *json)
{
  const json_t *subresources = json_object_get(json, "subresources"), *scale = json_object_get(subresources, "scale");
  ApiSubresource status = { .name = "status", .verbs = SUBRESOURCE_VERBS };
  ApiSubresource scaling = {
    .name = "scale", .group = "autoscaling", .version = "v1", .kind = "Scale", .verbs = SUBRESOURCE_VERBS
  };
  if (json_is_object(scale)) {
    version->scale.spec_replicas = split_path(scale, "specReplicasPath");
    version->scale.status_replicas = split_path(scale, "statusReplicasPath");
    version->scale.selector = split_path(scale, "labelSelectorPath");
    if (version->scale.spec_replicas && version->scale.status_replicas) {
      version->custom.scale = &version->scale;
      g_array_append_val(version->subresources, scaling);
    }
  }
  if (json_is_object(json_object_get(subresources, "status")))
    g_array_append_val(version->subresources, status);
  version->kind.subresources = (const ApiSubresource *)(void *)version->subresources->data;
  version->kind.n_subresources = (uint16_t)version->subresources->len;
}

static bool add_column(Version *version, const json_t *json, GError **error)
{
  JsonPath *path = json_path_parse(json_str(json, "jsonPath", ""), error);
  if (!path)
    return false;
  g_ptr_array_add(version->paths, path);
  ApiColumn column = { .name = json_str(json, "name", ""),
                       .type = json_str(json, "type", "string"),
                       .format = json_str(json, "format", ""),
                       .description = json_str(json, "description", ""),
                       .priority = (int)json_int(json, "priority", 0),
                       .json_path = path };
  g_array_append_val(version->columns, column);
  return true;
}

/* The name, then what the definition asks for; without that the age. */
static bool add_columns(Version *version, const json_t *json, GError **error)
{
  static const ApiColumn name = { .name = "Name",
                                  .type = "string",
                                  .format = "name",
                                  .description = "The object's name, unique in its namespace.",
                                  .path = "metadata.name" };
  static const ApiColumn age = { .name = "Age",
                                 .type = "date",
                                 .description = "The time since the object was made.",
                                 .path = "metadata.creationTimestamp" };
  const json_t *columns = json_object_get(json, "additionalPrinterColumns");
  g_array_append_val(version->columns, name);
  if (json_array_size(columns) == 0)
    g_array_append_val(version->columns, age);
  if (json_array_size(columns) > CUSTOM_COLUMNS_MAX)
    return reason_set(error, REASON_INVALID, "a version may have at most %d columns", CUSTOM_COLUMNS_MAX);
  for (size_t i = 0; i < json_array_size(columns); i++)
    if (!add_column(version, json_array_get(columns, i), error))
      return false;
  version->kind.columns = (const ApiColumn *)(void *)version->columns->data;
  version->kind.n_columns = (uint16_t)version->columns->len;
  return true;
}

static void add_selectable(Version *version, const json_t *json)
{
  size_t i;
  json_t *field;
  json_array_foreach (json_object_get(json, "selectableFields"), i, field) {
    const char *path = json_str(field, "jsonPath", "");
    ApiSelectableField selectable = { .name = path + (*path == '.') };
    g_array_append_val(version->selectable, selectable);
  }
  version->kind.selectable = (const ApiSelectableField *)(void *)version->selectable->data;
  version->kind.n_selectable = (uint16_t)version->selectable->len;
}

/* "com.example.stable.v1.CronTab": the group backwards, as upstream names the schemas of custom resources. */
static const char *openapi_name(CustomDefinition *definition, const ApiKind *kind)
{
  GString *name = g_string_new(NULL);
  g_auto(GStrv) parts = g_strsplit(kind->group, ".", -1);
  for (guint i = g_strv_length(parts); i-- > 0;)
    g_string_append_printf(name, "%s.", parts[i]);
  g_string_append_printf(name, "%s.%s", kind->version, kind->kind);
  const char *kept = g_string_chunk_insert(definition->texts, name->str);
  g_string_free(name, TRUE);
  return kept;
}

static bool add_schema(CustomDefinition *definition, Version *version, const json_t *json, GError **error)
{
  json_t *schema = json_at(json, "schema", "openAPIV3Schema", NULL);
  g_autoptr(json_t) anything = json_pack("{s:s, s:b}", "type", "object", "x-kubernetes-preserve-unknown-fields", true);
  version->custom.schema = schema_compile(json_is_object(schema) ? schema : anything, error);
  if (!version->custom.schema)
    return false;
  version->custom.has_rules = version->custom.schema->has_rules;
  version->metadata = (ApiField){ .name = "metadata",
                                  .description = "What all objects have: name, labels, annotations and the like.",
                                  .number = 1,
                                  .type = API_MESSAGE,
                                  .message = api_builtin_message(OBJECT_META) };
  version->message = (ApiMessage){ .name = openapi_name(definition, &version->kind),
                                   .description = json_str(version->custom.schema->json, "description", ""),
                                   .fields = &version->metadata,
                                   .n_fields = 1,
                                   .schema = version->custom.schema };
  version->kind.message = &version->message;
  version->kind.description = version->message.description;
  return true;
}

/* What a request to a deprecated version is answered with besides. */
static const char *deprecation_of(CustomDefinition *definition, const ApiKind *kind, const json_t *json)
{
  const char *warning = json_str(json, "deprecationWarning", "");
  if (!json_flag(json, "deprecated", false))
    return NULL;
  if (*warning)
    return warning;
  g_autofree char *text = g_strdup_printf("%s/%s %s is deprecated", kind->group, kind->version, kind->kind);
  return g_string_chunk_insert(definition->texts, text);
}

/* The accepted name NAME, or FALLBACK. */
static const char *name_of(const CustomDefinition *definition, const char *name, const char *fallback)
{
  const char *accepted = json_str(json_at(definition->value, "status", "acceptedNames", NULL), name, "");
  return *accepted ? accepted : json_str(json_at(definition->value, "spec", "names", NULL), name, fallback);
}

static bool add_version(CustomDefinition *definition, const json_t *json, GError **error)
{
  const json_t *spec = json_object_get(definition->value, "spec");
  Version *version = version_new();
  ApiKind *kind = &version->kind;
  g_ptr_array_add(definition->kinds, version);
  kind->group = json_str(spec, "group", "");
  kind->version = json_str(json, "name", "");
  kind->kind = name_of(definition, "kind", "");
  g_autofree char *list_kind = g_strconcat(kind->kind, "List", NULL), *singular = g_ascii_strdown(kind->kind, -1);
  kind->list_kind = name_of(definition, "listKind", g_string_chunk_insert(definition->texts, list_kind));
  kind->plural = name_of(definition, "plural", "");
  kind->singular = name_of(definition, "singular", g_string_chunk_insert(definition->texts, singular));
  kind->short_names = (const char *const *)definition->short_names;
  kind->categories = (const char *const *)definition->categories;
  kind->namespaced = strcmp(json_str(spec, "scope", ""), "Namespaced") == 0;
  kind->require_version_on_update = true;
  kind->has_spec_generation = true;
  kind->verbs = ALL_VERBS;
  kind->deprecation = deprecation_of(definition, kind, json);
  kind->custom = &version->custom;
  version->custom.definition = definition;
  version->custom.served = json_flag(json, "served", false);
  add_subresources(version, json);
  add_selectable(version, json);
  return add_columns(version, json, error) && add_schema(definition, version, json, error);
}

/* Every version knows which one is stored; one is the resource's canonical one. */
static bool link_versions(CustomDefinition *definition, const json_t *versions, GError **error)
{
  ApiKind *storage = NULL;
  Version *canonical = NULL;
  for (guint i = 0; i < definition->kinds->len; i++) {
    Version *version = definition->kinds->pdata[i];
    bool stored = json_flag(json_array_get(versions, i), "storage", false);
    if (stored)
      storage = &version->kind;
    if (version->custom.served && (!canonical || stored))
      canonical = version;
  }
  if (!storage)
    return reason_set(error, REASON_INVALID, "no version is marked as storage version");
  if (!canonical)
    canonical = (Version *)(void *)storage;
  canonical->custom.canonical = true;
  for (guint i = 0; i < definition->kinds->len; i++)
    ((Version *)definition->kinds->pdata[i])->kind.storage = storage;
  return true;
}

char *custom_definition_digest_of(const json_t *definition)
{
  g_autoptr(json_t) essence = json_pack("{s:O?, s:O?}", "spec", json_object_get(definition, "spec"), "names",
                                        json_at(definition, "status", "acceptedNames", NULL));
  char *text = json_dumps(essence, JSON_COMPACT | JSON_SORT_KEYS);
  char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text ? text : "", -1);
  free(text);
  return digest;
}

CustomDefinition *custom_definition_new(const json_t *value, GError **error)
{
  g_autoptr(CustomDefinition) definition = g_new0(CustomDefinition, 1);
  definition->value = json_incref((json_t *)(uintptr_t)value);
  definition->texts = g_string_chunk_new(256);
  definition->kinds = g_ptr_array_new_with_free_func(version_free);
  definition->digest = custom_definition_digest_of(value);
  const json_t *accepted = json_at(definition->value, "status", "acceptedNames", NULL);
  const json_t *names =
      *json_str(accepted, "plural", "") ? accepted : json_at(definition->value, "spec", "names", NULL);
  const json_t *versions = json_at(definition->value, "spec", "versions", NULL);
  definition->short_names = borrow_strings(json_object_get(names, "shortNames"));
  definition->categories = borrow_strings(json_object_get(names, "categories"));
  if (json_array_size(versions) > CUSTOM_VERSIONS_MAX) {
    reason_set(error, REASON_INVALID, "a definition may have at most %d versions", CUSTOM_VERSIONS_MAX);
    return NULL;
  }
  for (size_t i = 0; i < json_array_size(versions); i++)
    if (!add_version(definition, json_array_get(versions, i), error))
      return NULL;
  return link_versions(definition, versions, error) ? g_steal_pointer(&definition) : NULL;
}

void custom_definition_free(CustomDefinition *definition)
{
  if (!definition)
    return;
  g_ptr_array_unref(definition->kinds);
  g_free(definition->short_names);
  g_free(definition->categories);
  g_free(definition->digest);
  g_string_chunk_free(definition->texts);
  json_decref(definition->value);
  g_free(definition);
}

const char *custom_definition_name(const CustomDefinition *definition)
{
  return json_str(json_object_get(definition->value, "metadata"), "name", "");
}

const char *custom_definition_digest(const CustomDefinition *definition)
{
  return definition->digest;
}

const json_t *custom_definition_webhook(const CustomDefinition *definition)
{
  const json_t *conversion = json_at(definition->value, "spec", "conversion", NULL);
  return strcmp(json_str(conversion, "strategy", "None"), "Webhook") == 0 ? json_object_get(conversion, "webhook")
                                                                          : NULL;
}

void custom_definition_set_converter(CustomDefinition *definition, CustomConverter converter, void *data)
{
  definition->converter = converter;
  definition->converter_data = data;
}

json_t *custom_definition_convert(const CustomDefinition *definition, const char *api_version, const json_t *value,
                                  GError **error)
{
  if (definition->converter)
    return definition->converter(definition, api_version, value, definition->converter_data, error);
  reason_set(error, REASON_INTERNAL, "nobody converts %s to %s", custom_definition_name(definition), api_version);
  return NULL;
}

const GPtrArray *custom_definition_kinds(const CustomDefinition *definition)
{
  return definition->kinds;
}

void custom_definition_succeed(CustomDefinition *before, const CustomDefinition *later)
{
  for (guint i = 0; i < before->kinds->len; i++) {
    Version *old = before->kinds->pdata[i];
    for (guint j = 0; j < later->kinds->len; j++) {
      const ApiKind *kind = later->kinds->pdata[j];
      if (strcmp(kind->version, old->kind.version) == 0 && strcmp(kind->kind, old->kind.kind) == 0)
        old->custom.successor = kind;
    }
  }
}

const ApiKind *api_kind_current(const ApiKind *kind)
{
  while (kind->custom && kind->custom->successor)
    kind = kind->custom->successor;
  return kind;
}

bool api_kind_is_canonical(const ApiKind *kind)
{
  return kind->custom ? kind->custom->canonical : kind->storage == kind;
}
