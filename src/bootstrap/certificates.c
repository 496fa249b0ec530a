#include "bootstrap/certificates.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/ip_address.h"
#include "base/reason.h"
#include "base/x509.h"

#define AUTHORITY_LIFETIME_SECONDS (INT64_C(10) * 365 * 86400)

static int64_t now_seconds(void)
{
  return g_get_real_time() / G_USEC_PER_SEC;
}

static bool exists(const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename(directory, name, NULL);
  return access(path, F_OK) == 0;
}

/* An authority is made once and then only read: what it signed depends on it. */
static X509Pair *ensure_authority(const char *directory, const char *name, const char *common_name, GError **error)
{
  g_autofree char *file = g_strconcat(name, ".crt", NULL);
  if (exists(directory, file))
    return x509_load(directory, name, error);
  g_autoptr(X509Pair) pair = x509_new_authority(common_name, AUTHORITY_LIFETIME_SECONDS, error);
  if (!pair || !x509_save(pair, directory, name, error))
    return NULL;
  return g_steal_pointer(&pair);
}

/* Keeps the leaf when it is good, else issues it anew and sets *RENEWED. */
static bool ensure_leaf(const X509Pair *authority, const char *directory, const char *name, const X509Request *request,
                        bool *renewed, GError **error)
{
  g_autoptr(X509Pair) old = x509_load(directory, name, NULL);
  int64_t margin = MIN(CERTIFICATE_RENEW_SECONDS, request->lifetime_seconds / 2);
  if (old && x509_is_signed_by(old, authority) && x509_covers(old, request) &&
      x509_expiry(old) > now_seconds() + margin)
    return true;
  g_autoptr(X509Pair) pair = x509_issue(authority, request, error);
  *renewed = true;
  return pair && x509_save(pair, directory, name, error);
}

/* FIXED (NULL-terminated) followed by the strings of the JSON array MORE. g_strfreev. */
static char **joined(const char *const *fixed, const json_t *more)
{
  g_autoptr(GStrvBuilder) list = g_strv_builder_new();
  for (; *fixed; fixed++)
    g_strv_builder_add(list, *fixed);
  size_t i;
  json_t *item;
  json_array_foreach (more, i, item)
    g_strv_builder_add(list, json_string_value(item));
  return g_strv_builder_end(list);
}

/* The names the API server answers to. g_strfreev. */
static char **server_names(const Profile *profile)
{
  g_autofree char *full = g_strconcat("kubernetes.default.svc.", profile->dns_domain, NULL);
  const char *fixed[] = { "localhost",
                          "kubernetes",
                          "kubernetes.default",
                          "kubernetes.default.svc",
                          full,
                          "control-plane.launcher.internal",
                          profile->name,
                          profile->apiserver_name,
                          NULL };
  return joined(fixed, profile->apiserver_names);
}

/* The first address of RANGES: that of the service `kubernetes`. The caller frees. */
static char *first_address(const char *ranges)
{
  IpRange parsed[IP_FAMILIES];
  if (ip_ranges_parse(ranges, parsed) == 0)
    return g_strdup("10.96.0.1");
  const IpAddress address = { parsed[0].family, parsed[0].first + 1 };
  return ip_address_text(&address);
}

/* The addresses it answers on. 10.0.2.15 and 10.0.2.100 are the machine's own under user-mode networking and
 * slirp4netns. g_strfreev. */
static char **server_addresses(const Profile *profile)
{
  g_autofree char *service = first_address(profile->service_cidr);
  const char *fixed[] = { "127.0.0.1", "10.0.2.15", "10.0.2.100", service, profile->address, NULL };
  return joined(fixed, profile->apiserver_ips);
}

static bool ensure_service_account_key(const char *pki, GError **error)
{
  g_autofree char *path = g_build_filename(pki, "sa.key", NULL);
  return access(path, F_OK) == 0 || x509_new_key_file(path, error);
}

static bool ensure_cluster(const Profile *profile, const char *pki, bool *renewed, GError **error)
{
  static const char *const masters[] = { "system:masters", NULL };
  g_auto(GStrv) names = server_names(profile);
  g_auto(GStrv) addresses = server_addresses(profile);
  g_autofree char *authority_name = g_strconcat("launcherCA-", profile->name, NULL);
  g_autoptr(X509Pair) authority = ensure_authority(pki, "ca", authority_name, error);
  X509Request server = { .common_name = profile->name,
                         .dns_names = (const char *const *)names,
                         .addresses = (const char *const *)addresses,
                         .server = true,
                         .client = true,
                         .lifetime_seconds = profile->cert_expiration_seconds };
  X509Request client = { .common_name = "launcher-user",
                         .organizations = masters,
                         .client = true,
                         .lifetime_seconds = profile->cert_expiration_seconds };
  bool client_renewed = false;
  return authority && ensure_leaf(authority, pki, "apiserver", &server, renewed, error) &&
         ensure_leaf(authority, pki, "client", &client, &client_renewed, error) &&
         ensure_service_account_key(pki, error);
}

/* Copies one PEM file under the name docker's client looks for. */
static bool publish(const char *from_directory, const char *from, const char *to_directory, const char *to, mode_t mode,
                    GError **error)
{
  g_autofree char *source = g_build_filename(from_directory, from, NULL);
  g_autofree char *target = g_build_filename(to_directory, to, NULL);
  g_autoptr(GBytes) bytes = file_read(source, 65536, error);
  return bytes && file_write_atomic(target, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), mode, error);
}

static bool ensure_docker(const Profile *profile, const char *pki, const char *docker, bool *renewed, GError **error)
{
  const char *names[] = { "localhost", profile->name, NULL };
  const char *addresses[] = { "127.0.0.1", "10.0.2.15", "10.0.2.100", profile->address, NULL };
  g_autofree char *authority_name = g_strconcat("launcherDockerCA-", profile->name, NULL);
  g_autoptr(X509Pair) authority = ensure_authority(pki, "docker-ca", authority_name, error);
  X509Request server = { .common_name = profile->name,
                         .dns_names = names,
                         .addresses = addresses,
                         .server = true,
                         .lifetime_seconds = profile->cert_expiration_seconds };
  X509Request client = { .common_name = "docker-client",
                         .client = true,
                         .lifetime_seconds = profile->cert_expiration_seconds };
  bool client_renewed = !exists(docker, "key.pem");
  return authority && ensure_leaf(authority, pki, "docker-server", &server, renewed, error) &&
         ensure_leaf(authority, pki, "docker-client", &client, &client_renewed, error) &&
         (!client_renewed || (publish(pki, "docker-ca.crt", docker, "ca.pem", 0644, error) &&
                              publish(pki, "docker-client.crt", docker, "cert.pem", 0644, error) &&
                              publish(pki, "docker-client.key", docker, "key.pem", 0600, error)));
}

/* OpenSSH's key format is its own: ssh-keygen writes it. */
static bool ensure_ssh_key(const char *directory, const char *name, const char *comment, GError **error)
{
  g_autofree char *path = g_build_filename(directory, name, NULL);
  g_autofree char *public_path = g_strconcat(path, ".pub", NULL);
  if (access(path, F_OK) == 0 && access(public_path, F_OK) == 0)
    return true;
  g_unlink(path);
  const char *argv[] = { "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path, NULL };
  g_autoptr(GError) inner = NULL;
  g_autofree char *talk = NULL;
  int status = 0;
  if (!g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                    NULL, &talk, &status, &inner))
    return reason_set(error, REASON_PROVIDER_NOT_FOUND, "ssh-keygen (package openssh-client): %s", inner->message);
  if (!g_spawn_check_wait_status(status, NULL))
    return reason_set(error, REASON_INTERNAL, "ssh-keygen failed: %s", g_strstrip(talk));
  return true;
}

/* What ssh compares the machine's host key with, under the profile's name as alias: addresses may be used again. */
static bool write_known_hosts(const char *directory, const char *alias, GError **error)
{
  g_autofree char *public_path = g_build_filename(directory, "host_ed25519.pub", NULL);
  g_autofree char *path = g_build_filename(directory, "known_hosts", NULL);
  g_autoptr(GBytes) key = file_read(public_path, 4096, error);
  if (!key)
    return false;
  g_autofree char *line =
      g_strdup_printf("%s %.*s", alias, (int)g_bytes_get_size(key), (const char *)g_bytes_get_data(key, NULL));
  return file_write_atomic(path, line, strlen(line), 0600, error);
}

bool certificates_ensure(const Home *home, const Profile *profile, bool *renewed, GError **error)
{
  g_autofree char *pki = home_profile_file(home, profile->name, "pki");
  g_autofree char *docker = home_profile_file(home, profile->name, "docker");
  g_autofree char *ssh = home_profile_file(home, profile->name, "ssh");
  bool any_renewed = false;
  bool good = file_make_dirs(pki, 0700, error) && file_make_dirs(docker, 0700, error) &&
              file_make_dirs(ssh, 0700, error) && ensure_cluster(profile, pki, &any_renewed, error) &&
              ensure_docker(profile, pki, docker, &any_renewed, error) &&
              ensure_ssh_key(ssh, "id_ed25519", "launcher", error) &&
              ensure_ssh_key(ssh, "host_ed25519", profile->name, error) && write_known_hosts(ssh, profile->name, error);
  if (renewed)
    *renewed = any_renewed;
  return good;
}
