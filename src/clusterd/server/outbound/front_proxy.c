#include "clusterd/server/outbound/front_proxy.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/x509.h"

#define LIFETIME_SECONDS (10LL * 365 * 24 * 3600)
#define PEM_FILE_MAX (1u << 20)
#define CERTIFICATES_MAX 8 /* authorities that stay published: of other servers, and of the last starts */
#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"

void front_proxy_free(FrontProxy *proxy)
{
  if (!proxy)
    return;
  g_free(proxy->ca_pem);
  g_free(proxy->cert_pem);
  g_free(proxy->key_pem);
  g_free(proxy);
}

FrontProxy *front_proxy_new(GError **error)
{
  static const X509Request request = { .common_name = "front-proxy-client",
                                       .client = true,
                                       .lifetime_seconds = LIFETIME_SECONDS };
  g_autoptr(X509Pair) authority = x509_new_authority("front-proxy-ca", LIFETIME_SECONDS, error);
  g_autoptr(X509Pair) client = authority ? x509_issue(authority, &request, error) : NULL;
  if (!client)
    return NULL;
  FrontProxy *proxy = g_new0(FrontProxy, 1);
  proxy->ca_pem = x509_certificate_pem(authority);
  proxy->cert_pem = x509_certificate_pem(client);
  proxy->key_pem = x509_key_pem(client);
  return proxy;
}

static char *read_text(const char *path, GError **error)
{
  g_autoptr(GBytes) bytes = file_read(path, PEM_FILE_MAX, error);
  return bytes ? g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)) : NULL;
}

FrontProxy *front_proxy_read(const char *cert_file, const char *key_file, const char *ca_file, GError **error)
{
  FrontProxy *proxy = g_new0(FrontProxy, 1);
  if ((proxy->cert_pem = read_text(cert_file, error)) && (proxy->key_pem = read_text(key_file, error)) &&
      (proxy->ca_pem = read_text(ca_file, error)))
    return proxy;
  front_proxy_free(proxy);
  return NULL;
}

/* --- the ConfigMap -------------------------------------------------------------------------------------------------
 */

/* BUNDLE without its oldest certificates, with PEM at the end. The caller frees. */
static char *add_to_bundle(const char *bundle, const char *pem)
{
  g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);
  for (const char *at = strstr(bundle, PEM_BEGIN); at;) {
    const char *next = strstr(at + strlen(PEM_BEGIN), PEM_BEGIN);
    g_autofree char *one = next ? g_strndup(at, (gsize)(next - at)) : g_strdup(at);
    if (!strstr(pem, g_strchomp(one)))
      g_ptr_array_add(kept, g_steal_pointer(&one));
    at = next;
  }
  g_autoptr(GString) text = g_string_new(NULL);
  guint first = kept->len >= CERTIFICATES_MAX ? kept->len - (CERTIFICATES_MAX - 1) : 0;
  for (guint i = first; i < kept->len; i++)
    g_string_append_printf(text, "%s\n", (const char *)kept->pdata[i]);
  g_string_append(text, pem);
  return g_string_free(g_steal_pointer(&text), FALSE);
}

typedef struct Publication {
  const char *proxy_ca, *client_ca;
} Publication;

static bool set_data(json_t *value, void *data)
{
  static const char *const fixed[][2] = {
    { "requestheader-allowed-names", "[]" },
    { "requestheader-extra-headers-prefix", "[\"X-Remote-Extra-\"]" },
    { "requestheader-group-headers", "[\"X-Remote-Group\"]" },
    { "requestheader-username-headers", "[\"X-Remote-User\"]" },
  };
  const Publication *publication = data;
  json_t *members = json_ensure_object(value, "data", NULL);
  g_autofree char *bundle = add_to_bundle(json_str(members, "requestheader-client-ca-file", ""), publication->proxy_ca);
  json_object_set_new(members, "requestheader-client-ca-file", json_string(bundle));
  if (publication->client_ca)
    json_object_set_new(members, "client-ca-file", json_string(publication->client_ca));
  for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
    json_object_set_new(members, fixed[i][0], json_string(fixed[i][1]));
  return true;
}

bool front_proxy_publish(const FrontProxy *proxy, Registry *registry, const char *client_ca_file, GError **error)
{
  Caller caller = { .field_manager = "kube-apiserver" };
  const ApiKind *kind = api_scheme_resource(registry_scheme(registry), "", "v1", "configmaps");
  Target target = { kind, "kube-system", "extension-apiserver-authentication", NULL };
  g_autofree char *client_ca = client_ca_file ? read_text(client_ca_file, NULL) : NULL;
  Publication publication = { proxy->ca_pem, client_ca };
  g_autoptr(json_t) value = json_object();
  g_autoptr(GError) problem = NULL;
  set_data(value, &publication);
  g_autoptr(Object) made = registry_create(registry, &caller, &target, value, &problem);
  if (made)
    return true;
  if (!reason_is(problem, REASON_ALREADY_EXISTS)) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  g_autoptr(Object) stored = registry_modify(registry, &caller, &target, set_data, &publication, error);
  return stored != NULL;
}

/* --- headers -------------------------------------------------------------------------------------------------------
 */

/* Characters a header's name may have stay, others become %XX, as upstream escapes keys. The caller frees. */
static char *escape_key(const char *key)
{
  GString *escaped = g_string_new(NULL);
  for (const char *c = key; *c; c++)
    if (g_ascii_isalnum(*c) || strchr("!#$&'*+-.^_`|~", *c))
      g_string_append_c(escaped, g_ascii_tolower(*c));
    else
      g_string_append_printf(escaped, "%%%02X", (unsigned char)*c);
  return g_string_free(escaped, FALSE);
}

static void add_line(GStrvBuilder *lines, const char *name, const char *value)
{
  g_autofree char *line = g_strdup_printf("%s: %s", name, value);
  for (char *c = line; *c; c++)
    if (g_ascii_iscntrl(*c))
      *c = ' '; /* nothing may end the line */
  g_strv_builder_add(lines, line);
}

char **front_proxy_headers(const Identity *identity)
{
  g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
  const char *key;
  json_t *values, *value;
  size_t i;
  add_line(lines, "X-Remote-User", identity->name);
  for (char **group = identity->groups; group && *group; group++)
    add_line(lines, "X-Remote-Group", *group);
  json_object_foreach (identity->extra, key, values) {
    g_autofree char *escaped = escape_key(key);
    g_autofree char *name = g_strconcat("X-Remote-Extra-", escaped, NULL);
    json_array_foreach (values, i, value)
      if (json_is_string(value))
        add_line(lines, name, json_string_value(value));
  }
  return g_strv_builder_end(lines);
}
