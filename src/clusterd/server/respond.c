/* The one place where results and errors become bytes for a client. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "clusterd/api/codec.h"
#include "clusterd/api/table/table.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"
#include "clusterd/server/http/gzip.h"

#define TYPE_JSON "application/json"
#define TYPE_YAML "application/yaml"
#define TYPE_PROTOBUF "application/vnd.kubernetes.protobuf"
#define META_PACKAGE "io.k8s.apimachinery.pkg.apis.meta.v1."

/* BODY (taken) in the encoding the client takes, with the header that says so. */
static GBytes *encode(HttpRequest *http, GBytes *body)
{
  if (g_bytes_get_size(body) < GZIP_BYTES_MIN)
    return body;
  const char *encodings = http_header(http, "Accept-Encoding");
  if (!encodings || !accept_takes(encodings, "gzip"))
    return body;
  GBytes *compressed = gzip_compress(body);
  if (!compressed)
    return body;
  http_add_header(http, "Content-Encoding", "gzip");
  http_add_header(http, "Vary", "Accept-Encoding");
  g_bytes_unref(body);
  return compressed;
}

static void reply(ApiRequest *request, int status, const char *content_type, GBytes *body)
{
  HttpRequest *http = g_steal_pointer(&request->http);
  body = encode(http, body);
  http_add_header(http, "Cache-Control", "no-cache, private");
  http_reply(http, status, content_type, body);
}

static GBytes *bytes_of(char *text)
{
  return g_bytes_new_take(text, strlen(text));
}

/* A person at a terminal or in a browser gets indented JSON, as upstream decides it. */
static bool wants_pretty(const ApiRequest *request)
{
  static const char *const people[] = { "curl", "Wget", "Mozilla/5.0" };
  if (query_get(request->query, "pretty"))
    return query_flag(request->query, "pretty");
  const char *agent = http_header(request->http, "User-Agent");
  for (gsize i = 0; agent && i < G_N_ELEMENTS(people); i++)
    if (g_str_has_prefix(agent, people[i]))
      return true;
  return false;
}

static GBytes *json_bytes(const ApiRequest *request, const json_t *value)
{
  return bytes_of(wants_pretty(request) ? json_text_pretty(value) : json_text(value));
}

/* YAML with sorted keys, as upstream writes it. */
static GBytes *yaml_bytes(const json_t *value)
{
  g_autofree char *text = json_text_sorted(value);
  g_autoptr(json_t) sorted = json_loads(text, JSON_DECODE_ANY, NULL);
  return bytes_of(yaml_text(sorted));
}

/* Text for a header: quoted, and nothing in it that could end the line. */
static char *quote(const char *text)
{
  GString *quoted = g_string_new("\"");
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\')
      g_string_append_c(quoted, '\\');
    if (!g_ascii_iscntrl(*c))
      g_string_append_c(quoted, *c);
  }
  return g_string_free(g_string_append_c(quoted, '"'), FALSE);
}

void respond_warnings(ApiRequest *request)
{
  size_t i;
  json_t *warning;
  json_array_foreach (request->warnings, i, warning) {
    g_autofree char *quoted = quote(json_string_value(warning));
    g_autofree char *value = g_strdup_printf("299 - %s", quoted);
    http_add_header(request->http, "Warning", value);
  }
}

/* --- errors --------------------------------------------------------------------------------------------------------
 */

/* A Status that came from elsewhere, as this server writes it. New reference. */
static json_t *foreign_status(const json_t *given)
{
  json_t *status = json_pack("{s:s, s:s, s:{}}", "kind", "Status", "apiVersion", "v1", "metadata");
  static const char *const members[] = { "status", "message", "reason", "details", "code" };
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
    if (json_object_get(given, members[i]))
      json_object_set(status, members[i], json_object_get(given, members[i]));
  return status;
}

json_t *status_of_error(const GError *error)
{
  const json_t *foreign = json_object_get(reason_details(error), API_ERROR_STATUS);
  if (foreign)
    return foreign_status(foreign);
  const ReasonInfo *info = reason_info((int)reason_of(error));
  json_t *metadata = json_object();
  g_autoptr(json_t) details = json_copy(reason_details(error));
  const char *token = json_str(details, API_ERROR_CONTINUE, NULL);
  if (token) {
    json_object_set_new(metadata, "continue", json_string(token));
    json_object_del(details, API_ERROR_CONTINUE);
  }
  json_t *status = json_pack("{s:s, s:s, s:o, s:s, s:s, s:s}", "kind", "Status", "apiVersion", "v1", "metadata",
                             metadata, "status", "Failure", "message", error->message, "reason", info->kube);
  if (!status) { /* a message that is not UTF-8: foreign text got into it */
    g_autofree char *valid = g_utf8_make_valid(error->message, -1);
    status = json_pack("{s:s, s:s, s:{}, s:s, s:s, s:s}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
                       "Failure", "message", valid, "reason", info->kube);
  }
  if (details && !token)
    json_object_set(status, "details", details);
  json_object_set_new(status, "code", json_integer(info->http_status));
  if (!*info->kube)
    json_object_del(status, "reason");
  return status;
}

void respond_error(ApiRequest *request, const GError *error)
{
  json_t *status = status_of_error(error);
  json_int_t retry = json_int(json_object_get(status, "details"), "retryAfterSeconds", 0);
  if (retry > 0) {
    g_autofree char *seconds = g_strdup_printf("%d", (int)retry);
    http_add_header(request->http, "Retry-After", seconds);
  }
  request_trace_status(request->trace, status);
  respond_value(request, (int)json_int(status, "code", 500), api_builtin_message(META_PACKAGE "Status"), status);
}

/* --- plain documents -----------------------------------------------------------------------------------------------
 */

void respond_text(ApiRequest *request, int status, const char *content_type, const char *content)
{
  reply(request, status, content_type, bytes_of(g_strdup(content)));
}

void respond_json(ApiRequest *request, int status, json_t *document)
{
  reply(request, status, TYPE_JSON, json_bytes(request, document));
  json_decref(document);
}

void respond_value(ApiRequest *request, int status, const ApiMessage *message, json_t *value)
{
  request_trace_response(request->trace, value);
  respond_warnings(request);
  if (request->accept.format == REPLY_PROTOBUF && message && !message->schema) {
    GBytes *bytes =
        codec_encode_protobuf(message, json_str(value, "apiVersion", ""), json_str(value, "kind", ""), value, NULL);
    if (bytes) {
      reply(request, status, TYPE_PROTOBUF, bytes);
      json_decref(value);
      return;
    }
  }
  if (request->accept.format == REPLY_YAML)
    reply(request, status, TYPE_YAML, yaml_bytes(value));
  else
    reply(request, status, TYPE_JSON, json_bytes(request, value));
  json_decref(value);
}

void respond_success(ApiRequest *request, int status, const ApiKind *kind, const Object *object)
{
  json_t *details = json_pack("{s:s}", "name", object_name(object));
  if (*kind->group)
    json_object_set_new(details, "group", json_string(kind->group));
  json_object_set_new(details, "kind", json_string(kind->plural));
  json_object_set_new(details, "uid", json_string(object_uid(object)));
  json_t *value = json_pack("{s:s, s:s, s:{}, s:s, s:o}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
                            "Success", "details", details);
  respond_value(request, status, api_builtin_message("io.k8s.apimachinery.pkg.apis.meta.v1.Status"), value);
}

/* --- objects and lists ---------------------------------------------------------------------------------------------
 */

static TableInclude table_include(const ApiRequest *request)
{
  const char *include = query_get(request->query, "includeObject");
  if (g_strcmp0(include, "Object") == 0)
    return TABLE_INCLUDE_OBJECT;
  return g_strcmp0(include, "None") == 0 ? TABLE_INCLUDE_NONE : TABLE_INCLUDE_METADATA;
}

static json_t *table_of(const ApiRequest *request, GPtrArray *objects, const json_t *metadata)
{
  g_autofree char *version = g_strconcat("meta.k8s.io/", request->accept.shape_version, NULL);
  return table_render(request->kind, objects, metadata, version, table_include(request), true, timestamp_now_us());
}

/* A Scale is no resource of its own, yet has a message. */
static const ApiMessage *message_of(const ApiKind *kind)
{
  return kind->message ? kind->message : api_builtin_message_of(kind->group, kind->version, kind->kind);
}

void respond_object(ApiRequest *request, int status, Object *object)
{
  if (request->accept.shape == REPLY_TABLE) {
    g_autoptr(GPtrArray) objects = g_ptr_array_new();
    g_autoptr(json_t) metadata = json_object();
    if (!request->kind->measured)
      json_object_set_new(metadata, "resourceVersion", json_sprintf("%" G_GINT64_FORMAT, object_revision(object)));
    g_ptr_array_add(objects, object);
    respond_value(request, status, NULL, table_of(request, objects, metadata));
  } else if (request->accept.shape == REPLY_PARTIAL) {
    respond_value(request, status, api_builtin_message(META_PACKAGE "PartialObjectMetadata"),
                  table_partial_metadata(object));
  } else if (request->accept.format == REPLY_JSON && !wants_pretty(request)) {
    respond_warnings(request);
    request_trace_response_bytes(request->trace, object_bytes(object));
    reply(request, status, TYPE_JSON, g_bytes_ref(object_bytes(object)));
  } else {
    respond_value(request, status, message_of(object_kind(object)), object_value(object));
  }
}

static json_t *list_metadata(const ObjectList *list)
{
  json_t *metadata = json_object();
  if (list->revision > 0) /* what is measured has none */
    json_object_set_new(metadata, "resourceVersion", json_sprintf("%" G_GINT64_FORMAT, list->revision));
  if (list->continue_token)
    json_object_set_new(metadata, "continue", json_string(list->continue_token));
  if (list->remaining >= 0)
    json_object_set_new(metadata, "remainingItemCount", json_integer(list->remaining));
  return metadata;
}

/* The objects' own bytes, one after the other: nothing is serialized. */
static GBytes *splice_list(const ApiKind *kind, const ObjectList *list, const json_t *metadata)
{
  gsize size = 256;
  for (guint i = 0; i < list->objects->len; i++)
    size += g_bytes_get_size(object_bytes(list->objects->pdata[i])) + 1;
  g_autofree char *version = api_group_version(kind);
  g_autofree char *meta = json_text(metadata);
  GString *text = g_string_sized_new(size + strlen(meta));
  g_string_printf(text, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":%s,\"items\":[", kind->list_kind, version,
                  meta);
  for (guint i = 0; i < list->objects->len; i++) {
    const Object *object = list->objects->pdata[i];
    /* custom resources say what they are in lists too */
    gsize length, offset = kind->custom ? 1 : object_item_offset(object);
    const char *bytes = g_bytes_get_data(object_bytes(object), &length);
    g_string_append(text, i ? ",{" : "{");
    g_string_append_len(text, bytes + offset, (gssize)(length - offset));
  }
  g_string_append(text, "]}");
  return g_string_free_to_bytes(text);
}

/* The list in protobuf; as metadata alone when that is asked for. */
static GBytes *protobuf_list(const ApiRequest *request, const ObjectList *list, const json_t *metadata, GError **error)
{
  bool partial = request->accept.shape == REPLY_PARTIAL;
  g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
  for (guint i = 0; i < list->objects->len; i++) {
    Object *object = list->objects->pdata[i];
    g_ptr_array_add(values, partial ? table_partial_metadata(object) : object_value(object));
  }
  g_autofree char *version =
      partial ? g_strconcat("meta.k8s.io/", request->accept.shape_version, NULL) : api_group_version(request->kind);
  return codec_encode_protobuf_list(
      partial ? api_builtin_message(META_PACKAGE "PartialObjectMetadata") : message_of(request->kind), version,
      partial ? "PartialObjectMetadataList" : request->kind->list_kind, metadata, values, error);
}

static json_t *partial_list(const ObjectList *list, const json_t *metadata, const char *version)
{
  json_t *items = json_array();
  for (guint i = 0; i < list->objects->len; i++)
    json_array_append_new(items, table_partial_metadata(list->objects->pdata[i]));
  return json_pack("{s:s, s:o, s:O, s:o}", "kind", "PartialObjectMetadataList", "apiVersion",
                   json_sprintf("meta.k8s.io/%s", version), "metadata", metadata, "items", items);
}

static void respond_plain_list(ApiRequest *request, const ObjectList *list, const json_t *metadata)
{
  g_autoptr(GBytes) bytes = splice_list(request->kind, list, metadata);
  request_trace_response_bytes(request->trace, bytes);
  if (request->accept.format == REPLY_JSON && !wants_pretty(request)) {
    respond_warnings(request);
    reply(request, 200, TYPE_JSON, g_steal_pointer(&bytes));
    return;
  }
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  respond_value(request, 200, NULL, json_loadb(text, length, 0, NULL));
}

void respond_list(ApiRequest *request, const ObjectList *list)
{
  g_autoptr(json_t) metadata = list_metadata(list);
  g_autoptr(GError) error = NULL;
  if (request->accept.shape == REPLY_TABLE) {
    respond_value(request, 200, NULL, table_of(request, list->objects, metadata));
  } else if (request->accept.format == REPLY_PROTOBUF) {
    GBytes *bytes = protobuf_list(request, list, metadata, &error);
    if (!bytes) {
      respond_error(request, error);
      return;
    }
    respond_warnings(request);
    reply(request, 200, TYPE_PROTOBUF, bytes);
  } else if (request->accept.shape == REPLY_PARTIAL) {
    respond_value(request, 200, NULL, partial_list(list, metadata, request->accept.shape_version));
  } else {
    respond_plain_list(request, list, metadata);
  }
}
