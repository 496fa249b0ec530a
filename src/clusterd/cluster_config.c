#include "clusterd/cluster_config.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"

/* One member of cluster.json: a string with a default. */
typedef struct ConfigField {
  const char *name;
  size_t offset;
  const char *fallback; /* NULL: required */
} ConfigField;

static const ConfigField fields[] = {
  { "profile", G_STRUCT_OFFSET(ClusterConfig, profile), "launcher" },
  { "nodeName", G_STRUCT_OFFSET(ClusterConfig, node_name), "launcher" },
  { "kubernetesVersion", G_STRUCT_OFFSET(ClusterConfig, kubernetes_version), "v1.32.0" },
  { "serviceCIDR", G_STRUCT_OFFSET(ClusterConfig, service_cidr), "10.96.0.0/12" },
  { "podCIDR", G_STRUCT_OFFSET(ClusterConfig, pod_cidr), "10.244.0.0/24" },
  { "dnsDomain", G_STRUCT_OFFSET(ClusterConfig, dns_domain), "cluster.local" },
  { "dnsIP", G_STRUCT_OFFSET(ClusterConfig, dns_ip), "10.96.0.10" },
  { "nodeIP", G_STRUCT_OFFSET(ClusterConfig, node_ip), "" },
  { "pkiDir", G_STRUCT_OFFSET(ClusterConfig, pki_dir), "/etc/launcher/pki" },
  { "dataDir", G_STRUCT_OFFSET(ClusterConfig, data_dir), "/var/lib/launcher" },
  { "imageStore", G_STRUCT_OFFSET(ClusterConfig, image_store), "/usr/share/launcher/images" },
  { "eventsPath", G_STRUCT_OFFSET(ClusterConfig, events_path), "/run/launcher/events" },
  { "listenAddress", G_STRUCT_OFFSET(ClusterConfig, listen_address), "0.0.0.0" },
};

static char **field_of(ClusterConfig *config, const ConfigField *field)
{
  return G_STRUCT_MEMBER_P(config, field->offset);
}

static bool read_components(ClusterConfig *config, const json_t *value, GError **error)
{
  static const struct {
    const char *name;
    size_t offset;
  } components[] = {
    { "controllers", G_STRUCT_OFFSET(ClusterConfig, with_controllers) },
    { "scheduler", G_STRUCT_OFFSET(ClusterConfig, with_scheduler) },
    { "node", G_STRUCT_OFFSET(ClusterConfig, with_node) },
    { "proxy", G_STRUCT_OFFSET(ClusterConfig, with_proxy) },
    { "dns", G_STRUCT_OFFSET(ClusterConfig, with_dns) },
  };
  const json_t *wanted = json_object_get(value, "components");
  for (size_t i = 0; i < G_N_ELEMENTS(components); i++) {
    bool on = !wanted;
    size_t j;
    json_t *name;
    json_array_foreach (wanted, j, name)
      on = on || g_strcmp0(json_string_value(name), components[i].name) == 0;
    G_STRUCT_MEMBER(bool, config, components[i].offset) = on;
  }
  if (wanted && !json_is_array(wanted))
    return reason_set(error, REASON_CONFIG, "components: must be a list of component names");
  return true;
}

ClusterConfig *cluster_config_read(const char *path, GError **error)
{
  g_autoptr(json_t) value = json_read_file(path, error);
  if (!value)
    return NULL;
  g_autoptr(ClusterConfig) config = g_new0(ClusterConfig, 1);
  for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
    const json_t *member = json_object_get(value, fields[i].name);
    if (member && !json_is_string(member)) {
      reason_set(error, REASON_CONFIG, "%s: %s must be a string", path, fields[i].name);
      return NULL;
    }
    *field_of(config, &fields[i]) = g_strdup(member ? json_string_value(member) : fields[i].fallback);
  }
  int64_t port = json_int(value, "apiPort", 8443);
  if (port < 0 || port > 65535) {
    reason_set(error, REASON_CONFIG, "%s: apiPort %" G_GINT64_FORMAT " must be between 0 and 65535", path, port);
    return NULL;
  }
  config->api_port = (uint16_t)port;
  if (!read_components(config, value, error))
    return NULL;
  return g_steal_pointer(&config);
}

char *cluster_config_service_ip(const ClusterConfig *config, unsigned offset, GError **error)
{
  struct in_addr address;
  guint64 bits = 0;
  char text[INET_ADDRSTRLEN];
  g_auto(GStrv) parts = g_strsplit(config->service_cidr, "/", 2);
  if (!parts[0] || !parts[1] || inet_pton(AF_INET, parts[0], &address) != 1 ||
      !g_ascii_string_to_unsigned(parts[1], 10, 8, 30, &bits, NULL) || offset >= 1u << (32 - bits)) {
    reason_set(error, REASON_CONFIG, "serviceCIDR: %s is not a usable IPv4 range", config->service_cidr);
    return NULL;
  }
  uint32_t network = ntohl(address.s_addr) & ~((1u << (32 - bits)) - 1);
  address.s_addr = htonl(network + offset);
  return g_strdup(inet_ntop(AF_INET, &address, text, sizeof text));
}

void cluster_config_free(ClusterConfig *config)
{
  if (!config)
    return;
  for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
    g_free(*field_of(config, &fields[i]));
  g_free(config);
}
