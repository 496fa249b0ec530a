#include "clusterd/node/images/registries.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/file.h"

#define CERTS_DIR "/etc/docker/certs.d"
#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"
#define AUTHORITIES_MAX (4u << 20) /* bytes of one file of certificates */
#define DEFAULT_REGISTRY "docker.io"
#define DEFAULT_SERVER "registry-1.docker.io"

struct Registries {
  char **mirrors, **insecure, *certs_dir, *ca_file;
  char *proxy, *tls_proxy, *no_proxy;
  GMutex lock;
  GCond changed;
  bool stopped; /* under LOCK */
};

/* NAME of the environment in capitals or in lower case. The caller frees. */
static char *environment(const char *name)
{
  g_autofree char *lower = g_ascii_strdown(name, -1);
  const char *value = g_getenv(name);
  return g_strdup(value && *value ? value : g_getenv(lower) ? g_getenv(lower) : "");
}

Registries *registries_new(const RegistryConfig *config)
{
  static const RegistryConfig none;
  Registries *registries = g_new0(Registries, 1);
  config = config ? config : &none;
  registries->mirrors = g_strdupv((char **)(uintptr_t)config->mirrors);
  registries->insecure = g_strdupv((char **)(uintptr_t)config->insecure);
  registries->certs_dir = g_strdup(config->certs_dir ? config->certs_dir : CERTS_DIR);
  registries->ca_file = g_strdup(config->ca_file);
  registries->proxy = environment("HTTP_PROXY");
  registries->tls_proxy = environment("HTTPS_PROXY");
  g_autofree char *no_proxy = environment("NO_PROXY");
  registries->no_proxy = g_strdup_printf("%s%slocalhost,127.0.0.0/8,::1", no_proxy, *no_proxy ? "," : "");
  g_mutex_init(&registries->lock);
  g_cond_init(&registries->changed);
  return registries;
}

void registries_free(Registries *registries)
{
  if (!registries)
    return;
  g_strfreev(registries->mirrors);
  g_strfreev(registries->insecure);
  char *texts[] = { registries->certs_dir, registries->ca_file, registries->proxy, registries->tls_proxy,
                    registries->no_proxy };
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(texts[i]);
  g_mutex_clear(&registries->lock);
  g_cond_clear(&registries->changed);
  g_free(registries);
}

void registries_stop(Registries *registries)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&registries->lock);
  registries->stopped = true;
  g_cond_broadcast(&registries->changed);
}

bool registries_stopped(Registries *registries)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&registries->lock);
  return registries->stopped;
}

bool registries_wait(Registries *registries, double seconds)
{
  int64_t until = g_get_monotonic_time() + (int64_t)(seconds * G_USEC_PER_SEC);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&registries->lock);
  while (!registries->stopped && g_cond_wait_until(&registries->changed, &registries->lock, until))
    ;
  return !registries->stopped;
}

void registry_server_free(RegistryServer *server)
{
  g_free(server->url);
  g_free(server->host);
  g_free(server);
}

/* "HOST" of "HOST:PORT", "[::1]:PORT" without brackets. The caller frees. */
static char *bare_host(const char *host)
{
  if (*host == '[')
    return g_strndup(host + 1, strcspn(host + 1, "]"));
  return g_strndup(host, strcspn(host, ":"));
}

/* Whether ADDRESS lies in RANGE ("10.0.0.0/8", "fd00::/8"). */
static bool in_range(const char *range, const char *address)
{
  guint8 wanted[16], found[16];
  const char *slash = strchr(range, '/');
  g_autofree char *base = slash ? g_strndup(range, (gsize)(slash - range)) : NULL;
  int family = strchr(address, ':') ? AF_INET6 : AF_INET;
  guint64 bits, most = family == AF_INET6 ? 128 : 32;
  if (!base || !g_ascii_string_to_unsigned(slash + 1, 10, 0, most, &bits, NULL) ||
      inet_pton(family, base, wanted) != 1 || inet_pton(family, address, found) != 1)
    return false;
  for (unsigned bit = 0; bit < bits; bit++)
    if ((wanted[bit / 8] ^ found[bit / 8]) & (0x80 >> bit % 8))
      return false;
  return true;
}

static bool is_insecure(const Registries *registries, const char *host)
{
  g_autofree char *bare = bare_host(host);
  if (g_str_equal(bare, "localhost") || g_str_equal(bare, "::1") || in_range("127.0.0.0/8", bare))
    return true;
  for (char **item = registries->insecure; item && *item; item++)
    if (g_str_equal(*item, host) || g_str_equal(*item, bare) || in_range(*item, bare))
      return true;
  return false;
}

static void add_server(GPtrArray *servers, const char *url, bool origin, bool insecure)
{
  RegistryServer *server = g_new0(RegistryServer, 1);
  const char *rest = strstr(url, "://") + strlen("://");
  server->url = g_strndup(url, strlen(url) - (g_str_has_suffix(url, "/") ? 1 : 0));
  server->host = g_strndup(rest, strcspn(rest, "/"));
  server->origin = origin;
  server->insecure = insecure;
  g_ptr_array_add(servers, server);
}

/* The URL of MIRROR ("URL" or "HOST=URL") when it is one of REGISTRY; NULL. */
static const char *mirror_url(const char *mirror, const char *registry)
{
  const char *equals = strchr(mirror, '='), *scheme = strstr(mirror, "://");
  bool named = equals && (!scheme || equals < scheme);
  g_autofree char *of = named ? g_strndup(mirror, (gsize)(equals - mirror)) : g_strdup(DEFAULT_REGISTRY);
  const char *url = named ? equals + 1 : mirror;
  bool usable = g_str_has_prefix(url, "http://") || g_str_has_prefix(url, "https://");
  return usable && g_str_equal(of, registry) ? url : NULL;
}

GPtrArray *registries_servers(const Registries *registries, const char *registry)
{
  GPtrArray *servers = g_ptr_array_new_with_free_func((GDestroyNotify)registry_server_free);
  for (char **mirror = registries->mirrors; mirror && *mirror; mirror++) {
    const char *url = mirror_url(*mirror, registry);
    if (url)
      add_server(servers, url, false, false);
  }
  const char *host = g_str_equal(registry, DEFAULT_REGISTRY) ? DEFAULT_SERVER : registry;
  bool insecure = is_insecure(registries, host);
  g_autofree char *tls = g_strconcat("https://", host, NULL), *plain = g_strconcat("http://", host, NULL);
  add_server(servers, tls, true, insecure);
  if (insecure)
    add_server(servers, plain, true, true);
  return servers;
}

static void add_file(GByteArray *all, const char *path)
{
  g_autoptr(GBytes) bytes = file_read(path, AUTHORITIES_MAX, NULL);
  gsize length;
  const void *data = bytes ? g_bytes_get_data(bytes, &length) : NULL;
  if (!data)
    return;
  g_byte_array_append(all, data, (guint)length);
  g_byte_array_append(all, (const guint8 *)"\n", 1);
}

/* What lies in the folder of a registry: *.crt sign its certificate, X.cert with X.key are shown to it. */
static void read_folder(const char *path, GByteArray *authorities, RegistryTrust *trust)
{
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name(folder))) {
    g_autofree char *file = g_build_filename(path, name, NULL);
    if (g_str_has_suffix(name, ".crt"))
      add_file(authorities, file);
    if (!g_str_has_suffix(name, ".cert") || trust->certificate)
      continue;
    trust->key = g_strdup_printf("%.*s.key", (int)(strlen(file) - strlen(".cert")), file);
    trust->certificate = g_steal_pointer(&file);
  }
}

void registries_trust(const Registries *registries, const char *host, RegistryTrust *trust)
{
  g_autoptr(GByteArray) authorities = g_byte_array_new();
  *trust = (RegistryTrust){ .proxy = registries->proxy,
                            .tls_proxy = registries->tls_proxy,
                            .no_proxy = registries->no_proxy };
  g_autofree char *folder = g_build_filename(registries->certs_dir, host, NULL);
  if (!g_str_equal(host, ".") && !g_str_equal(host, ".."))
    read_folder(folder, authorities, trust);
  if (registries->ca_file)
    add_file(authorities, registries->ca_file);
  if (authorities->len == 0)
    return;
  add_file(authorities, SYSTEM_AUTHORITIES);
  trust->authorities = g_byte_array_free_to_bytes(g_steal_pointer(&authorities));
}

void registry_trust_clear(RegistryTrust *trust)
{
  g_clear_pointer(&trust->authorities, g_bytes_unref);
  g_clear_pointer(&trust->certificate, g_free);
  g_clear_pointer(&trust->key, g_free);
}
