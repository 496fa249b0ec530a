#include "bootstrap/config_drive.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/ip_address.h"
#include "base/json.h"
#include "base/reason.h"
#include "bootstrap/machine.h"

#define VOLUME "LAUNCHERCFG"
#define FILE_MAX 65536

typedef struct archive Archive;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Archive, archive_write_free)

typedef struct Copied {
  const char *from, *to; /* below the profile's folder; on the drive */
  unsigned mode;
} Copied;

static const Copied copied[] = {
  { "pki/ca.crt", "pki/ca.crt", 0644 },
  { "pki/ca.key", "pki/ca.key", 0600 },
  { "pki/apiserver.crt", "pki/apiserver.crt", 0644 },
  { "pki/apiserver.key", "pki/apiserver.key", 0600 },
  { "pki/sa.key", "pki/sa.key", 0600 },
  { "pki/docker-ca.crt", "pki/docker-ca.crt", 0644 },
  { "pki/docker-server.crt", "pki/docker-server.crt", 0644 },
  { "pki/docker-server.key", "pki/docker-server.key", 0600 },
  { "ssh/id_ed25519.pub", "ssh/authorized_keys", 0644 },
  { "ssh/host_ed25519", "ssh/host_ed25519", 0600 },
};

/* A machine that is a container has the host's disk, which may be full for other reasons: that ends no pod, and takes
 * no image away. */
static void share_disk(json_t *cluster)
{
  json_object_set_new(cluster, "evictionHard", json_pack("[s]", "memory.available<100Mi"));
  json_object_set_new(cluster, "imageGCHighThresholdPercent", json_integer(100));
}

#define POD_RANGE "10.244.0.0/24"
#define POD_RANGE_V6 "fd00:10:244::/64"
#define DNS_OFFSET 10 /* of the cluster DNS' address among those of services, as kubeadm has it */

/* Pods have the families that services have. */
static const char *pod_ranges(const Profile *profile)
{
  g_autofree char *v6 = ip_ranges_of(profile->service_cidr, IP_V6);
  return v6 ? POD_RANGE "," POD_RANGE_V6 : POD_RANGE;
}

/* The caller frees. */
static char *dns_ip(const Profile *profile)
{
  IpRange ranges[IP_FAMILIES];
  if (ip_ranges_parse(profile->service_cidr, ranges) == 0)
    return g_strdup("10.96.0.10");
  const IpAddress address = { ranges[0].family, ranges[0].first + DNS_OFFSET };
  return ip_address_text(&address);
}

static char *cluster_json(const Profile *profile)
{
  g_autofree char *dns = dns_ip(profile);
  g_autoptr(json_t) addons = json_array();
  const char *name;
  json_t *on;
  json_object_foreach (profile->addons, name, on)
    if (json_is_true(on))
      json_array_append_new(addons, json_string(name));
  g_autoptr(json_t) cluster =
      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:O}", "profile", profile->name, "nodeName",
                profile->name, "kubernetesVersion", profile->kubernetes_version, "containerRuntime",
                profile->container_runtime, "serviceCIDR", profile->service_cidr, "podCIDR", pod_ranges(profile),
                "dnsDomain", profile->dns_domain, "dnsIP", dns, "apiPort", 8443, "addons", addons);
  /* services of type LoadBalancer get the profile's address, whose ports the keeper opens; some are the machine's */
  g_autofree char *api_port = g_strdup_printf("%d", (int)profile->apiserver_port);
  g_autofree char *ssh_port = g_strdup_printf("%d", MACHINE_PORT_SSH);
  g_autofree char *docker_port = g_strdup_printf("%d", MACHINE_PORT_DOCKER);
  if (profile->address && *profile->address)
    json_object_set_new(cluster, "loadBalancerAddress", json_string(profile->address));
  json_object_set_new(cluster, "loadBalancerReservedPorts", json_pack("[s, s, s]", api_port, ssh_port, docker_port));
  if (g_strcmp0(profile->driver, "container") == 0)
    share_disk(cluster);
  return json_text_pretty(cluster);
}

static bool add_entry(Archive *archive, const char *path, unsigned type, unsigned mode, const void *data, gsize length,
                      GError **error)
{
  struct archive_entry *entry = archive_entry_new();
  archive_entry_set_pathname(entry, path);
  archive_entry_set_filetype(entry, type);
  archive_entry_set_perm(entry, (__LA_MODE_T)mode);
  archive_entry_set_size(entry, (la_int64_t)length);
  bool good = archive_write_header(archive, entry) == ARCHIVE_OK &&
              (length == 0 || archive_write_data(archive, data, length) == (la_ssize_t)length);
  archive_entry_free(entry);
  return good || reason_set(error, REASON_FILE, "config drive: %s: %s", path, archive_error_string(archive));
}

static bool add_files(Archive *archive, const Home *home, const Profile *profile, GError **error)
{
  g_autofree char *cluster = cluster_json(profile);
  if (!add_entry(archive, "pki", AE_IFDIR, 0700, NULL, 0, error) ||
      !add_entry(archive, "ssh", AE_IFDIR, 0700, NULL, 0, error) ||
      !add_entry(archive, "cluster.json", AE_IFREG, 0644, cluster, strlen(cluster), error))
    return false;
  for (size_t i = 0; i < G_N_ELEMENTS(copied); i++) {
    g_autofree char *path = home_profile_file(home, profile->name, copied[i].from);
    g_autoptr(GBytes) bytes = file_read(path, FILE_MAX, error);
    if (!bytes || !add_entry(archive, copied[i].to, AE_IFREG, copied[i].mode, g_bytes_get_data(bytes, NULL),
                             g_bytes_get_size(bytes), error))
      return false;
  }
  return true;
}

bool config_drive_write(const Home *home, const Profile *profile, const char *path, GError **error)
{
  g_autofree char *fresh = g_strconcat(path, ".new", NULL);
  g_autoptr(Archive) archive = archive_write_new();
  unlink(fresh);
  archive_write_set_format_iso9660(archive);
  archive_write_set_format_option(archive, "iso9660", "volume-id", VOLUME);
  mode_t old_mask = umask(0077); /* the drive holds private keys */
  int opened = archive_write_open_filename(archive, fresh);
  umask(old_mask);
  bool good = opened == ARCHIVE_OK;
  if (!good)
    reason_set(error, REASON_FILE, "Cannot write %s: %s", fresh, archive_error_string(archive));
  good = good && add_files(archive, home, profile, error);
  if (good && archive_write_close(archive) != ARCHIVE_OK)
    good = reason_set(error, REASON_FILE, "Cannot write %s: %s", fresh, archive_error_string(archive));
  if (good && rename(fresh, path) == 0)
    return true;
  unlink(fresh);
  return good ? reason_set(error, REASON_FILE, "Cannot rename %s", fresh) : false;
}
