#include "clusterd/cluster_config.h"

#include <string.h>
#include <unistd.h>

#include "base/ip_address.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/options.h"

static bool is_row(const Option *option)
{
  return option->name || option->member;
}

ClusterConfig *cluster_config_new(void)
{
  ClusterConfig *config = g_new0(ClusterConfig, 1);
  for (const Option *option = option_table; is_row(option); option++)
    if (option->fallback)
      g_free(option_set(option, config, option->fallback, true));
  return config;
}

/* --- cluster.json --------------------------------------------------------------------------------------------------
 */

/* VALUE as the command line would say it; NULL when it is of another type than OPTION. The caller frees. */
static char *text_of(const Option *option, const json_t *value)
{
  if (option->type == OPTION_LIST && json_is_array(value)) {
    g_autoptr(GString) text = g_string_new(NULL);
    size_t i;
    json_t *item;
    json_array_foreach (value, i, item)
      g_string_append_printf(text, "%s%s", i ? "," : "", json_is_string(item) ? json_string_value(item) : "?");
    return g_string_free(g_steal_pointer(&text), FALSE);
  }
  if (option->type == OPTION_NUMBER)
    return json_is_integer(value) ? g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value)) : NULL;
  return option->type != OPTION_LIST && json_is_string(value) ? g_strdup(json_string_value(value)) : NULL;
}

static const char *type_name(OptionType type)
{
  return type == OPTION_LIST ? "a list of names" : type == OPTION_NUMBER ? "a number" : "a string";
}

void cluster_config_load(ClusterConfig *config, const char *path, GPtrArray *problems)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = json_read_file(path, &error);
  if (!value) {
    g_ptr_array_add(problems, g_strdup(error->message));
    return;
  }
  for (const Option *option = option_table; is_row(option); option++) {
    const json_t *member = option->member ? json_object_get(value, option->member) : NULL;
    if (!member)
      continue;
    g_autofree char *text = text_of(option, member);
    g_autofree char *problem = text ? option_set(option, config, text, true) : NULL;
    if (!text)
      g_ptr_array_add(problems, g_strdup_printf("%s: %s must be %s", path, option->member, type_name(option->type)));
    else if (problem)
      g_ptr_array_add(problems, g_strdup_printf("%s: %s: %s", path, option->member, problem));
  }
}

ClusterConfig *cluster_config_read(const char *path, GError **error)
{
  g_autoptr(ClusterConfig) config = cluster_config_new();
  g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
  config->config_file = g_strdup(path);
  cluster_config_load(config, path, problems);
  cluster_config_complete(config, problems);
  if (problems->len == 0)
    return g_steal_pointer(&config);
  g_ptr_array_add(problems, NULL);
  g_autofree char *text = g_strjoinv("\n", (char **)problems->pdata);
  reason_set(error, REASON_CONFIG, "%s", text);
  return NULL;
}

/* --- what follows --------------------------------------------------------------------------------------------------
 */

static void choose_components(ClusterConfig *config)
{
  static const struct {
    const char *name;
    size_t offset;
    bool alone; /* runs with --no-node when nothing else is said */
  } rows[] = {
    { "controllers", G_STRUCT_OFFSET(ClusterConfig, with_controllers), true },
    { "scheduler", G_STRUCT_OFFSET(ClusterConfig, with_scheduler), false },
    { "node", G_STRUCT_OFFSET(ClusterConfig, with_node), false },
    { "proxy", G_STRUCT_OFFSET(ClusterConfig, with_proxy), false },
    { "dns", G_STRUCT_OFFSET(ClusterConfig, with_dns), false },
  };
  const char *const *wanted = (const char *const *)config->components;
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
    G_STRUCT_MEMBER(bool, config, rows[i].offset) =
        wanted ? g_strv_contains(wanted, rows[i].name) : !config->no_node || rows[i].alone;
}

/* A server of its own keeps everything below its data folder; somebody who is not root keeps that at home. */
static void choose_folders(ClusterConfig *config)
{
  const ClusterConfig *defaults = cluster_config_new();
  bool own = !config->config_file;
  if (own && geteuid() != 0 && g_strcmp0(config->data_dir, defaults->data_dir) == 0) {
    g_free(config->data_dir);
    config->data_dir = g_build_filename(g_get_user_data_dir(), "clusterd", NULL);
  }
  if (own && config->data_dir && g_strcmp0(config->pki_dir, defaults->pki_dir) == 0) {
    g_free(config->pki_dir);
    config->pki_dir = g_build_filename(config->data_dir, "pki", NULL);
  }
  cluster_config_free((ClusterConfig *)(uintptr_t)defaults);
}

static void in_pki(const ClusterConfig *config, char **file, const char *name)
{
  if (!*file)
    *file = g_build_filename(config->pki_dir, name, NULL);
}

static void need(const char *value, const char *name, GPtrArray *problems)
{
  if (!value)
    g_ptr_array_add(problems, g_strdup_printf("--%s must not be empty", name));
}

/* A node is reached by IPv4, and so is cluster DNS on it. */
static bool is_ipv4_first(const char *ranges)
{
  IpRange parsed[IP_FAMILIES];
  return ip_ranges_parse(ranges, parsed) == 0 || parsed[0].family == IP_V4;
}

static void need_together(const char *one, const char *name, const char *other, const char *other_name,
                          GPtrArray *problems)
{
  if (!one != !other)
    g_ptr_array_add(problems, g_strdup_printf("--%s needs --%s", one ? name : other_name, one ? other_name : name));
}

void cluster_config_complete(ClusterConfig *config, GPtrArray *problems)
{
  choose_components(config);
  choose_folders(config);
  need(config->data_dir, "data-dir", problems);
  need(config->pki_dir, "cert-dir", problems);
  need(config->listen_address, "bind-address", problems);
  need(config->dns_domain, "cluster-domain", problems);
  need(config->profile, "cluster-name", problems);
  need(config->node_name, "hostname-override", problems);
  need(config->kubernetes_version, "kubernetesVersion", problems);
  if (config->with_dns)
    need(config->dns_ip, "cluster-dns", problems);
  if (config->service_account_issuers && !config->service_account_issuers[0])
    need(NULL, "service-account-issuer", problems);
  if (g_strv_length(config->authorization_modes) == 0)
    need(NULL, "authorization-mode", problems);
  need_together(config->cert_file, "tls-cert-file", config->key_file, "tls-private-key-file", problems);
  need_together(config->signing_cert_file, "cluster-signing-cert-file", config->signing_key_file,
                "cluster-signing-key-file", problems);
  need_together(config->etcd_cert_file, "etcd-certfile", config->etcd_key_file, "etcd-keyfile", problems);
  if (config->audit_log_path && !config->audit_policy_file)
    g_ptr_array_add(problems, g_strdup("--audit-log-path needs --audit-policy-file: without it nothing is audited"));
  if (config->with_node && (!is_ipv4_first(config->service_cidr) || !is_ipv4_first(config->pod_cidr)))
    g_ptr_array_add(problems,
                    g_strdup("--service-cluster-ip-range and --cluster-cidr of a machine with a node must begin "
                             "with the IPv4 range"));
  if (config->no_node && config->with_node)
    g_ptr_array_add(problems, g_strdup("--no-node and --components=node exclude each other"));
  if (config->client_ca_file && config->write_kubeconfig)
    g_ptr_array_add(problems, g_strdup("--write-kubeconfig and --client-ca-file exclude each other: an administrator's "
                                       "certificate is made with the CA of --cert-dir"));
  if (problems->len > 0)
    return;
  in_pki(config, &config->cert_file, "apiserver.crt");
  in_pki(config, &config->key_file, "apiserver.key");
  in_pki(config, &config->client_ca_file, "ca.crt");
  in_pki(config, &config->signing_cert_file, "ca.crt");
  in_pki(config, &config->signing_key_file, "ca.key");
  in_pki(config, &config->service_account_signing_key_file, "sa.key");
  if (!config->service_account_issuers) {
    config->service_account_issuers = g_new0(char *, 2);
    config->service_account_issuers[0] = g_strconcat("https://kubernetes.default.svc.", config->dns_domain, NULL);
  }
}

char *cluster_config_service_ip(const ClusterConfig *config, unsigned offset, GError **error)
{
  IpRange ranges[IP_FAMILIES];
  ip_ranges_parse(config->service_cidr, ranges); /* was checked by the table */
  const IpAddress address = { ranges[0].family, ranges[0].first + offset };
  if (address.number <= ranges[0].last)
    return ip_address_text(&address);
  reason_set(error, REASON_CONFIG, "service-cluster-ip-range: %s is too small", config->service_cidr);
  return NULL;
}

void cluster_config_free(ClusterConfig *config)
{
  if (!config)
    return;
  for (const Option *option = option_table; is_row(option); option++)
    if (option->type != OPTION_ACTION)
      option_clear(option, config);
  g_free(config);
}
