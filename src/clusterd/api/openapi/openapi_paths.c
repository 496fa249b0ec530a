/* The paths of OpenAPI v2 and v3: what can be asked of each resource, with which parameters. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/openapi/openapi_parts.h"

#define STATUS_NAME "io.k8s.apimachinery.pkg.apis.meta.v1.Status"
#define DELETE_OPTIONS_NAME "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"

typedef struct Parameter {
  const char *name, *type, *description;
} Parameter;

static const Parameter list_parameters[] = {
  { "allowWatchBookmarks", "boolean", "Asks a watch to send bookmarks." },
  { "continue", "string", "Where the last page of a list ended." },
  { "fieldSelector", "string", "Only objects with these values of fields." },
  { "labelSelector", "string", "Only objects with these labels." },
  { "limit", "integer", "How many objects a page of a list may have." },
  { "resourceVersion", "string", "How new the answer must be." },
  { "resourceVersionMatch", "string", "How resourceVersion is meant." },
  { "sendInitialEvents", "boolean", "Begins a watch with what there is." },
  { "timeoutSeconds", "integer", "How long a list or watch may take." },
  { "watch", "boolean", "Sends changes as they happen instead of a list." },
};
static const Parameter write_parameters[] = {
  { "dryRun", "string", "All: does everything but keep the result." },
  { "fieldManager", "string", "Who will own the fields that are set." },
  { "fieldValidation", "string", "Ignore, Warn or Strict: what becomes of unknown and duplicate fields." },
};
static const Parameter apply_parameters[] = {
  { "force", "boolean", "Takes over fields that others own (apply patches only)." },
};
static const Parameter delete_parameters[] = {
  { "dryRun", "string", "All: does everything but delete." },
  { "gracePeriodSeconds", "integer", "How long the object has to end." },
  { "propagationPolicy", "string", "Orphan, Background or Foreground: what becomes of its dependents." },
};

static json_t *parameter_of(OpenApiDialect dialect, const Parameter *parameter, const char *in)
{
  json_t *result =
      json_pack("{s:s, s:s, s:s}", "name", parameter->name, "in", in, "description", parameter->description);
  if (dialect == OPENAPI_DIALECT_V3)
    json_object_set_new(result, "schema", json_pack("{s:s, s:b}", "type", parameter->type, "uniqueItems", true));
  else
    json_object_update_new(result, json_pack("{s:s, s:b}", "type", parameter->type, "uniqueItems", true));
  if (strcmp(in, "path") == 0)
    json_object_set_new(result, "required", json_true());
  return result;
}

static void add_parameters(OpenApiDialect dialect, json_t *operation, const Parameter *parameters, gsize n)
{
  json_t *list = json_object_get(operation, "parameters");
  for (gsize i = 0; i < n; i++)
    json_array_append_new(list, parameter_of(dialect, &parameters[i], "query"));
}

/* What is asked: a kind, or a subresource of it. */
typedef struct Subject {
  OpenApiWriter *writer;
  const ApiKind *kind;
  const ApiSubresource *subresource; /* NULL: the kind itself */
  const char *schema;                /* of what is sent and answered; NULL: plain text or a stream */
  const char *list_schema;
} Subject;

/* "CoreV1", "RbacAuthorizationV1": what operation ids call a group and version. */
static char *id_of_version(const ApiKind *kind)
{
  GString *id = g_string_new(NULL);
  g_auto(GStrv) parts = g_strsplit(*kind->group ? kind->group : "core", ".", -1);
  for (char **part = parts; *part; part++)
    if (strcmp(*part, "k8s") != 0 && strcmp(*part, "io") != 0)
      g_string_append_printf(id, "%c%s", g_ascii_toupper(**part), **part ? *part + 1 : "");
  g_string_append_printf(id, "%c%s", g_ascii_toupper(*kind->version), kind->version + 1);
  return g_string_free(id, FALSE);
}

static char *operation_id(const Subject *subject, const char *action, bool all_namespaces)
{
  const ApiKind *kind = subject->kind;
  g_autofree char *version = id_of_version(kind);
  const char *sub = subject->subresource ? subject->subresource->name : "";
  GString *id = g_string_new(action);
  g_string_append_printf(id, "%s%s%s", version, kind->namespaced && !all_namespaces ? "Namespaced" : "", kind->kind);
  if (*sub)
    g_string_append_printf(id, "%c%s", g_ascii_toupper(*sub), sub + 1);
  if (all_namespaces)
    g_string_append(id, "ForAllNamespaces");
  return g_string_free(id, FALSE);
}

static json_t *subject_gvk(const Subject *subject)
{
  const ApiSubresource *sub = subject->subresource;
  bool own = !sub || !sub->group;
  return json_pack("{s:s, s:s, s:s}", "group", own ? subject->kind->group : sub->group, "version",
                   own ? subject->kind->version : sub->version, "kind",
                   sub && sub->kind ? sub->kind : subject->kind->kind);
}

static void set_response(const Subject *subject, json_t *operation, const char *schema)
{
  OpenApiDialect dialect = subject->writer->dialect;
  json_t *ok = json_pack("{s:s}", "description", "OK");
  if (schema && dialect == OPENAPI_DIALECT_V2)
    json_object_set_new(ok, "schema", openapi_reference(dialect, schema));
  else if (schema)
    json_object_set_new(ok, "content",
                        json_pack("{s:{s:o}}", "application/json", "schema", openapi_reference(dialect, schema)));
  json_object_set_new(operation, "responses", json_pack("{s:o}", "200", ok));
}

static void set_body(const Subject *subject, json_t *operation, const char *schema, const char *const *types)
{
  OpenApiDialect dialect = subject->writer->dialect;
  if (dialect == OPENAPI_DIALECT_V2) {
    json_array_append_new(json_object_get(operation, "parameters"),
                          json_pack("{s:s, s:s, s:b, s:o}", "name", "body", "in", "body", "required", true, "schema",
                                    openapi_reference(dialect, schema)));
    return;
  }
  json_t *content = json_object();
  for (; *types; types++)
    json_object_set_new(content, *types, json_pack("{s:o}", "schema", openapi_reference(dialect, schema)));
  json_object_set_new(operation, "requestBody", json_pack("{s:o, s:b}", "content", content, "required", true));
}

/* The bare operation METHOD of PATH_ITEM; ACTION is x-kubernetes-action and the verb of its id. */
static json_t *add_operation(const Subject *subject, json_t *path_item, const char *method, const char *action,
                             const char *id_verb, bool all_namespaces)
{
  g_autofree char *id = operation_id(subject, id_verb, all_namespaces);
  json_t *operation = json_pack("{s:s, s:[], s:s, s:o}", "operationId", id, "parameters", "x-kubernetes-action", action,
                                "x-kubernetes-group-version-kind", subject_gvk(subject));
  set_response(subject, operation, subject->schema);
  json_object_set_new(path_item, method, operation);
  return operation;
}

static void add_write(const Subject *subject, json_t *path_item, const char *method, const char *action,
                      const char *id_verb)
{
  static const char *const plain_types[] = { "application/json", "application/yaml",
                                             "application/vnd.kubernetes.protobuf", NULL };
  static const char *const patch_types[] = { "application/json-patch+json", "application/merge-patch+json",
                                             "application/strategic-merge-patch+json", "application/apply-patch+yaml",
                                             NULL };
  static const char *const custom_types[] = { "application/json", "application/yaml", NULL };
  static const char *const custom_patches[] = { "application/json-patch+json", "application/merge-patch+json",
                                                "application/apply-patch+yaml", NULL };
  OpenApiDialect dialect = subject->writer->dialect;
  bool patch = strcmp(method, "patch") == 0, custom = subject->kind->custom != NULL;
  json_t *operation = add_operation(subject, path_item, method, action, id_verb, false);
  add_parameters(dialect, operation, write_parameters, G_N_ELEMENTS(write_parameters));
  if (patch)
    add_parameters(dialect, operation, apply_parameters, G_N_ELEMENTS(apply_parameters));
  if (subject->schema)
    set_body(subject, operation, subject->schema,
             custom ? (patch ? custom_patches : custom_types) : (patch ? patch_types : plain_types));
}

static void add_delete(const Subject *subject, json_t *path_item, bool collection)
{
  static const char *const types[] = { "application/json", NULL };
  OpenApiDialect dialect = subject->writer->dialect;
  const char *action = collection ? "deletecollection" : "delete";
  json_t *operation =
      add_operation(subject, path_item, "delete", action, collection ? "deleteCollection" : "delete", false);
  add_parameters(dialect, operation, delete_parameters, G_N_ELEMENTS(delete_parameters));
  if (collection)
    add_parameters(dialect, operation, list_parameters, G_N_ELEMENTS(list_parameters));
  set_body(subject, operation, DELETE_OPTIONS_NAME, types);
  set_response(subject, operation, STATUS_NAME);
}

static void add_list(const Subject *subject, json_t *path_item, bool all_namespaces)
{
  json_t *operation = add_operation(subject, path_item, "get", "list", "list", all_namespaces);
  add_parameters(subject->writer->dialect, operation, list_parameters, G_N_ELEMENTS(list_parameters));
  set_response(subject, operation, subject->list_schema);
}

/* Keeps PATH_ITEM (taken) under PATH when anything can be asked there; its variables become parameters. */
static void keep_path(const Subject *subject, json_t *paths, const char *path, json_t *path_item)
{
  static const Parameter variables[] = {
    { "name", "string", "The object's name." },
    { "namespace", "string", "The object's namespace." },
  };
  json_t *parameters = json_array();
  for (gsize i = 0; i < G_N_ELEMENTS(variables); i++) {
    g_autofree char *variable = g_strdup_printf("{%s}", variables[i].name);
    if (strstr(path, variable))
      json_array_append_new(parameters, parameter_of(subject->writer->dialect, &variables[i], "path"));
  }
  if (json_object_size(path_item) > 0) {
    json_object_set(path_item, "parameters", parameters);
    json_object_set(paths, path, path_item);
  }
  json_decref(parameters);
  json_decref(path_item);
}

/* What can be asked of one object, or of a subresource of it. */
static json_t *item_operations(const Subject *subject, uint16_t verbs)
{
  json_t *item = json_object();
  if (verbs & API_VERB_GET)
    add_operation(subject, item, "get", "get", "read", false);
  if (verbs & API_VERB_UPDATE)
    add_write(subject, item, "put", "put", "replace");
  if (verbs & API_VERB_PATCH)
    add_write(subject, item, "patch", "patch", "patch");
  if (verbs & API_VERB_DELETE)
    add_delete(subject, item, false);
  if (subject->subresource && (verbs & API_VERB_CREATE))
    add_write(subject, item, "post", "post", "create");
  return item;
}

static void add_subresource(OpenApiWriter *writer, json_t *paths, const ApiKind *kind, const char *item_path,
                            const ApiSubresource *sub)
{
  const ApiMessage *message = kind->message;
  if (sub->kind)
    message = api_builtin_message_of(sub->group ? sub->group : kind->group, sub->group ? sub->version : kind->version,
                                     sub->kind);
  g_autofree char *path = g_strconcat(item_path, "/", sub->name, NULL);
  Subject subject = { .writer = writer, .kind = kind, .subresource = sub, .schema = message ? message->name : NULL };
  if (message)
    openapi_add_message(writer, message);
  keep_path(&subject, paths, path, item_operations(&subject, sub->verbs));
}

void openapi_add_paths(OpenApiWriter *writer, json_t *paths, const ApiKind *kind)
{
  g_autofree char *version = api_group_version(kind);
  g_autofree char *base = g_strconcat(*kind->group ? "/apis/" : "/api/", version, NULL);
  g_autofree char *everywhere = g_strconcat(base, "/", kind->plural, NULL);
  g_autofree char *collection =
      g_strconcat(base, kind->namespaced ? "/namespaces/{namespace}/" : "/", kind->plural, NULL);
  g_autofree char *item = g_strconcat(collection, "/{name}", NULL);
  g_autofree char *list_schema = kind->verbs & API_VERB_LIST ? openapi_add_list(writer, kind) : NULL;
  Subject subject = { .writer = writer, .kind = kind, .schema = kind->message->name, .list_schema = list_schema };
  openapi_add_message(writer, kind->message);
  openapi_add_message(writer, api_builtin_message(STATUS_NAME));
  openapi_add_message(writer, api_builtin_message(DELETE_OPTIONS_NAME));
  json_t *operations = json_object();
  if (kind->verbs & API_VERB_LIST)
    add_list(&subject, operations, false);
  if (kind->verbs & API_VERB_CREATE)
    add_write(&subject, operations, "post", "post", "create");
  if (kind->verbs & API_VERB_DELETECOLLECTION)
    add_delete(&subject, operations, true);
  keep_path(&subject, paths, collection, operations);
  if (kind->namespaced && (kind->verbs & API_VERB_LIST)) {
    operations = json_object();
    add_list(&subject, operations, true);
    keep_path(&subject, paths, everywhere, operations);
  }
  keep_path(&subject, paths, item, item_operations(&subject, kind->verbs & (uint16_t)~API_VERB_CREATE));
  for (unsigned i = 0; i < kind->n_subresources; i++)
    add_subresource(writer, paths, kind, item, &kind->subresources[i]);
}
