/* Everything that is not a resource: discovery, OpenAPI, version, token keys; health and metrics have their own files.
 * What is derived from the scheme is made once per state of the scheme and then served as bytes with an ETag. */
#include <malloc.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/openapi/discovery.h"
#include "clusterd/api/openapi/openapi.h"
#include "clusterd/server/aggregation/aggregator.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"
#include "clusterd/server/handlers/document_handler.h"
#include "config.h"

#if defined(__aarch64__)
#define API_SERVER_ARCHITECTURE "arm64"
#else
#define API_SERVER_ARCHITECTURE "amd64"
#endif

#define KEYS_CACHE "public, max-age=3600" /* of what others verify tokens with */
#define TEXT_PLAIN "text/plain; charset=utf-8"
/* A missed document is remembered no longer than this: kinds come and go with CustomResourceDefinitions. */
#define DOCUMENTS_MAX 256
/* A document this large is written from a tree many times as large, in small pieces the allocator would keep. */
#define TRIM_BYTES (1u << 20)

typedef struct Document {
  GBytes *bytes;
  char *etag; /* the hash alone, without quotes */
} Document;

struct Documents {
  const ApiScheme *scheme;
  Aggregator *aggregator; /* NULL: not there yet */
  GMutex lock;
  unsigned generation;   /* of the scheme the documents were made from */
  unsigned remote;       /* of the other servers' parts of OpenAPI v2 */
  GHashTable *documents; /* key → Document* */
};

static void document_free(void *data)
{
  Document *document = data;
  g_bytes_unref(document->bytes);
  g_free(document->etag);
  g_free(document);
}

Documents *documents_new(const ApiScheme *scheme)
{
  Documents *documents = g_new0(Documents, 1);
  g_mutex_init(&documents->lock);
  documents->scheme = scheme;
  documents->documents = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, document_free);
  return documents;
}

void documents_aggregate(Documents *documents, Aggregator *aggregator)
{
  documents->aggregator = aggregator;
}

void documents_free(Documents *documents)
{
  if (!documents)
    return;
  g_hash_table_unref(documents->documents);
  g_mutex_clear(&documents->lock);
  g_free(documents);
}

/* --- making --------------------------------------------------------------------------------------------------------
 */

static Document *document_new(GBytes *bytes)
{
  Document *document = g_new0(Document, 1);
  document->bytes = bytes;
  document->etag = g_compute_checksum_for_bytes(G_CHECKSUM_SHA512, bytes);
  for (char *c = document->etag; *c; c++)
    *c = g_ascii_toupper(*c);
  return document;
}

static GBytes *json_bytes(json_t *value)
{
  if (!value)
    return NULL;
  char *text = json_text(value);
  json_decref(value);
  return g_bytes_new_take(text, strlen(text));
}

static GBytes *make_aggregated(const Documents *documents, const char *key)
{
  g_auto(GStrv) parts = g_strsplit(key, " ", 3);
  return json_bytes(discovery_aggregated(documents->scheme, g_str_equal(parts[1], "core"), parts[2]));
}

static GBytes *make_openapi_v2(const Documents *documents, const char *key)
{
  g_autoptr(json_t) swagger = openapi_v2(documents->scheme);
  if (documents->aggregator)
    aggregator_add_swagger(documents->aggregator, swagger);
  if (g_str_equal(key, "openapi json"))
    return json_bytes(g_steal_pointer(&swagger));
  return openapi_v2_protobuf(swagger, NULL);
}

static GBytes *make_openapi_v3(const Documents *documents, const char *key)
{
  return json_bytes(openapi_v3(documents->scheme, key + strlen("v3 ")));
}

static GBytes *make(const Documents *documents, const char *key)
{
  static const struct {
    const char *prefix;
    GBytes *(*make)(const Documents *documents, const char *key);
  } makers[] = { { "aggregated ", make_aggregated }, { "openapi ", make_openapi_v2 }, { "v3 ", make_openapi_v3 } };
  GBytes *bytes = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(makers); i++)
    if (g_str_has_prefix(key, makers[i].prefix))
      bytes = makers[i].make(documents, key);
  if (bytes && g_bytes_get_size(bytes) > TRIM_BYTES)
    malloc_trim(0);
  return bytes;
}

/* The document of KEY: its bytes (new reference) and its hash. NULL when there is none. */
static GBytes *document_get(Documents *documents, const char *key, char **etag)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&documents->lock);
  unsigned generation = api_scheme_generation(documents->scheme);
  unsigned remote = documents->aggregator ? aggregator_swagger_generation(documents->aggregator) : 0;
  if (generation != documents->generation || remote != documents->remote ||
      g_hash_table_size(documents->documents) > DOCUMENTS_MAX)
    g_hash_table_remove_all(documents->documents);
  documents->generation = generation;
  documents->remote = remote;
  Document *document = g_hash_table_lookup(documents->documents, key);
  if (!document) {
    GBytes *bytes = make(documents, key);
    if (!bytes)
      return NULL;
    document = document_new(bytes);
    g_hash_table_insert(documents->documents, g_strdup(key), document);
  }
  *etag = g_strdup(document->etag);
  return g_bytes_ref(document->bytes);
}

/* --- answering -----------------------------------------------------------------------------------------------------
 */

static void not_found(ApiRequest *request)
{
  respond_text(request, 404, TEXT_PLAIN, "404 page not found\n");
}

/* Takes the reference to BYTES. */
static void reply_bytes(ApiRequest *request, GBytes *bytes, const char *etag, const char *content_type)
{
  HttpRequest *http = g_steal_pointer(&request->http);
  g_autofree char *quoted = g_strdup_printf("\"%s\"", etag);
  const char *known = http_header(http, "If-None-Match");
  http_add_header(http, "ETag", quoted);
  http_add_header(http, "Vary", "Accept");
  if (known && strstr(known, quoted)) {
    g_bytes_unref(bytes);
    http_reply(http, 304, content_type, NULL);
  } else {
    http_reply(http, 200, content_type, bytes);
  }
}

static void reply_document(ApiRequest *request, const char *key, const char *content_type)
{
  g_autofree char *etag = NULL;
  GBytes *bytes = document_get(api_server_documents(request->server), key, &etag);
  if (bytes)
    reply_bytes(request, bytes, etag, content_type);
  else
    not_found(request);
}

/* Remote groups change without the scheme: their document is made for every request. */
static void reply_with_remote(ApiRequest *request, const char *version, const char *type)
{
  json_t *list = discovery_aggregated(registry_scheme(request->registry), false, version);
  aggregator_add_discovery(api_server_aggregator(request->server), list);
  Document *document = document_new(json_bytes(list));
  reply_bytes(request, g_bytes_ref(document->bytes), document->etag, type);
  document_free(document);
}

/* True when the client takes the aggregated form; kubectl 1.26 and later list it first. */
static bool reply_aggregated(ApiRequest *request, bool core)
{
  static const char *const versions[] = { "v2", "v2beta1" };
  const char *accept = http_header(request->http, "Accept");
  for (gsize i = 0; accept && i < G_N_ELEMENTS(versions); i++) {
    g_autofree char *type =
        g_strdup_printf("application/json;g=apidiscovery.k8s.io;v=%s;as=APIGroupDiscoveryList", versions[i]);
    if (!strstr(accept, type))
      continue;
    g_autofree char *key = g_strdup_printf("aggregated %s %s", core ? "core" : "groups", versions[i]);
    if (!core && aggregator_has_remote(api_server_aggregator(request->server)))
      reply_with_remote(request, versions[i], type);
    else
      reply_document(request, key, type);
    return true;
  }
  return false;
}

static void handle_api(ApiRequest *request, char *const *parts)
{
  const ApiScheme *scheme = registry_scheme(request->registry);
  const ApiServerConfig *config = api_server_config(request->server);
  if (!parts[1]) {
    if (reply_aggregated(request, true))
      return;
    g_autofree char *address = g_strdup_printf("%s:%u", config->advertise_address, http_local_port(request->http));
    respond_json(request, 200, discovery_api_versions(address));
    return;
  }
  json_t *list = parts[2] ? NULL : discovery_resource_list(scheme, "", parts[1]);
  if (list)
    respond_json(request, 200, list);
  else
    not_found(request);
}

/* Whether another server answers for what this one could measure: it is asked, then. */
static bool gives_way(ApiRequest *request, const char *group, const char *version)
{
  Aggregator *aggregator = api_server_aggregator(request->server);
  if (!group || !version || !aggregator_has_remote(aggregator) || !api_builtin_is_measured(group, version))
    return false;
  g_autoptr(Object) api_service = aggregator_find(aggregator, group, version);
  return api_service != NULL;
}

static void handle_apis(ApiRequest *request, char *const *parts)
{
  const ApiScheme *scheme = registry_scheme(request->registry);
  Aggregator *aggregator = api_server_aggregator(request->server);
  json_t *document = NULL;
  if (!parts[1]) {
    if (reply_aggregated(request, false))
      return;
    document = discovery_group_list(scheme);
    aggregator_add_groups(aggregator, document);
  } else if (!parts[2]) {
    document = aggregator_add_group(aggregator, parts[1], discovery_group(scheme, parts[1]));
  } else if (!parts[3] && !gives_way(request, parts[1], parts[2])) {
    document = discovery_resource_list(scheme, parts[1], parts[2]);
  }
  if (document)
    respond_json(request, 200, document);
  else if (!parts[1] || !handle_aggregated(request, parts[1], parts[2]))
    not_found(request);
}

static char *hash_of_document(const char *path, void *data)
{
  g_autofree char *key = g_strconcat("v3 ", path, NULL);
  char *etag = NULL;
  GBytes *bytes = document_get(data, key, &etag);
  if (bytes)
    g_bytes_unref(bytes);
  return etag ? etag : g_strdup("");
}

static void handle_openapi_v3(ApiRequest *request, char *const *parts)
{
  Documents *documents = api_server_documents(request->server);
  if (!parts[2]) {
    json_t *index = openapi_v3_index(registry_scheme(request->registry), hash_of_document, documents);
    aggregator_add_openapi(api_server_aggregator(request->server), index);
    respond_json(request, 200, index);
    return;
  }
  g_autofree char *path = g_strjoinv("/", (char **)(uintptr_t)(parts + 2));
  g_autofree char *key = g_strconcat("v3 ", path, NULL);
  g_autofree char *etag = NULL;
  g_autoptr(GBytes) bytes = document_get(documents, key, &etag);
  bool in_group = g_str_equal(parts[2], "apis") && parts[3] && (!bytes || gives_way(request, parts[3], parts[4]));
  if (in_group && handle_aggregated(request, parts[3], parts[4]))
    return;
  const char *hash = query_get(request->query, "hash");
  if (bytes && hash && !g_str_equal(hash, etag)) {
    g_autofree char *location = g_strdup_printf("/openapi/v3/%s?hash=%s", path, etag);
    http_add_header(request->http, "Location", location);
    respond_text(request, 301, TEXT_PLAIN, "");
    return;
  }
  if (bytes && hash)
    http_add_header(request->http, "Cache-Control", "public, immutable");
  reply_document(request, key, "application/json");
}

static void handle_openapi(ApiRequest *request, char *const *parts)
{
  const char *accept = http_header(request->http, "Accept");
  const char *document = parts[1] ? parts[1] : "";
  if (g_str_equal(document, "v3"))
    handle_openapi_v3(request, parts);
  else if (!g_str_equal(document, "v2") || parts[2])
    not_found(request);
  else if (accept && strstr(accept, "proto-openapi.spec.v2@v1.0+protobuf"))
    reply_document(request, "openapi protobuf", OPENAPI_V2_PROTOBUF_TYPE);
  else
    reply_document(request, "openapi json", "application/json");
}

static void handle_version(ApiRequest *request, char *const *parts)
{
  const char *version = API_SERVER_VERSION;
  g_auto(GStrv) numbers = g_strsplit(version + 1, ".", 3);
  g_autoptr(json_t) document =
      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "major", numbers[0], "minor", numbers[1], "gitVersion",
                version, "gitCommit", "", "gitTreeState", "clean", "buildDate", "1970-01-01T00:00:00Z", "goVersion", "",
                "compiler", PACKAGE_NAME " " PACKAGE_VERSION, "platform", "linux/" API_SERVER_ARCHITECTURE);
  g_autofree char *text = json_text_pretty(document);
  respond_text(request, 200, "application/json", text);
}

static void handle_openid(ApiRequest *request, char *const *parts)
{
  g_autoptr(GError) error = NULL;
  if (g_strcmp0(parts[1], "v1") != 0 || g_strcmp0(parts[2], "jwks") != 0 || parts[3]) {
    not_found(request);
  } else if (!accept_takes(http_header(request->http, "Accept"), "application/jwk-set+json")) {
    reason_set_details(&error, REASON_NOT_ACCEPTABLE, json_object(),
                       "406: Not Acceptable\n\nAvailable representations: application/jwk-set+json");
    respond_error(request, error);
  } else {
    g_autoptr(json_t) keys = service_account_tokens_jwks(api_server_tokens(request->server));
    g_autofree char *text = json_text(keys);
    http_add_header(request->http, "Cache-Control", KEYS_CACHE);
    respond_text(request, 200, "application/jwk-set+json", text);
  }
}

static void handle_well_known(ApiRequest *request, char *const *parts)
{
  if (g_strcmp0(parts[1], "openid-configuration") != 0 || parts[2]) {
    not_found(request);
    return;
  }
  const ApiServerConfig *config = api_server_config(request->server);
  g_autofree char *own =
      g_strdup_printf("https://%s:%u/openid/v1/jwks", config->advertise_address, http_local_port(request->http));
  json_t *document = service_account_tokens_configuration(api_server_tokens(request->server),
                                                          config->jwks_uri ? config->jwks_uri : own);
  http_add_header(request->http, "Cache-Control", KEYS_CACHE);
  respond_json(request, 200, document);
}

static void add_path(void *paths, char *path)
{
  g_tree_insert(paths, path, path);
}

static int append_path(void *path, void *value, void *paths)
{
  json_array_append_new(paths, json_string(path));
  return false;
}

static int compare_paths(const void *a, const void *b, void *data)
{
  return strcmp(a, b);
}

/* What can be asked for, sorted. */
static void handle_root(ApiRequest *request, char *const *parts)
{
  static const char *const fixed[] = { "/.well-known/openid-configuration",
                                       "/api",
                                       "/apis",
                                       "/apis/",
                                       "/metrics",
                                       "/metrics/slis",
                                       "/openapi/v2",
                                       "/openapi/v3",
                                       "/openapi/v3/",
                                       "/openid/v1/jwks",
                                       "/version" };
  g_autoptr(GPtrArray) kinds = api_scheme_list(registry_scheme(request->registry));
  g_autoptr(GTree) paths = g_tree_new_full(compare_paths, NULL, g_free, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
    add_path(paths, g_strdup(fixed[i]));
  health_add_paths(add_path, paths);
  for (guint i = 0; i < kinds->len; i++) {
    const ApiKind *kind = kinds->pdata[i];
    if (*kind->group)
      add_path(paths, g_strdup_printf("/apis/%s", kind->group));
    g_autofree char *version = api_group_version(kind);
    add_path(paths, g_strconcat(*kind->group ? "/apis/" : "/api/", version, NULL));
  }
  json_t *list = json_array();
  g_tree_foreach(paths, append_path, list);
  g_autoptr(json_t) document = json_pack("{s:o}", "paths", list);
  g_autofree char *text = json_text_pretty(document);
  respond_text(request, 200, "application/json", text);
}

typedef struct DocumentRow {
  const char *first; /* segment of the path */
  void (*handle)(ApiRequest *request, char *const *parts);
} DocumentRow;

static const DocumentRow rows[] = {
  { "api", handle_api },         { "apis", handle_apis },
  { "openapi", handle_openapi }, { "version", handle_version },
  { "healthz", handle_health },  { "livez", handle_health },
  { "readyz", handle_health },   { "metrics", handle_metrics },
  { "openid", handle_openid },   { ".well-known", handle_well_known },
};

void handle_document(ApiRequest *request)
{
  g_auto(GStrv) parts = g_strsplit(http_path(request->http) + 1, "/", REQUEST_PARTS_MAX);
  guint count = g_strv_length(parts);
  if (count > 1 && !*parts[count - 1]) /* a slash at the end says nothing */
    g_clear_pointer(&parts[count - 1], g_free);
  if (!g_str_equal(http_method(request->http), "GET") && !g_str_equal(http_method(request->http), "HEAD")) {
    respond_text(request, 405, TEXT_PLAIN, "405 Method Not Allowed\n");
    return;
  }
  if (!parts[0] || !*parts[0]) {
    handle_root(request, parts);
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    if (g_str_equal(rows[i].first, parts[0])) {
      rows[i].handle(request, parts);
      return;
    }
  }
  not_found(request);
}
