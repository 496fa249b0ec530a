#include "clusterd/node/pod/pod_files.h"

#include <string.h>

#include "base/json.h"

#define HOSTNAME_MAX 63
#define SEARCH_MAX 32
#define NAMESERVERS_MAX 3

/* What becomes a resolv.conf: lists of char*. */
typedef struct Resolv {
  GPtrArray *servers, *searches, *options;
} Resolv;

static void resolv_init(Resolv *resolv)
{
  resolv->servers = g_ptr_array_new_with_free_func(g_free);
  resolv->searches = g_ptr_array_new_with_free_func(g_free);
  resolv->options = g_ptr_array_new_with_free_func(g_free);
}

static void resolv_clear(Resolv *resolv)
{
  g_ptr_array_unref(resolv->servers);
  g_ptr_array_unref(resolv->searches);
  g_ptr_array_unref(resolv->options);
}

static void add_unique(GPtrArray *list, const char *text, guint max)
{
  if (*text && list->len < max && !g_ptr_array_find_with_equal_func(list, text, g_str_equal, NULL))
    g_ptr_array_add(list, g_strdup(text));
}

static void read_host(const char *host, GPtrArray *servers, GPtrArray *searches, GPtrArray *options)
{
  g_auto(GStrv) lines = g_strsplit(host ? host : "", "\n", -1);
  for (char **line = lines; *line; line++) {
    g_auto(GStrv) words = g_strsplit_set(g_strstrip(*line), " \t", -1);
    GPtrArray *list = g_strcmp0(words[0], "nameserver") == 0 ? servers
                      : g_strcmp0(words[0], "search") == 0   ? searches
                      : g_strcmp0(words[0], "options") == 0  ? options
                                                             : NULL;
    for (char **word = words; list && *word && word[1]; word++)
      add_unique(list, word[1], SEARCH_MAX);
  }
}

static void use_cluster(Resolv *resolv, const json_t *pod, const NodeFacts *node, const char *host)
{
  g_autoptr(GPtrArray) unused = g_ptr_array_new_with_free_func(g_free);
  const char *namespace_ = json_str(json_object_get(pod, "metadata"), "namespace", "");
  g_ptr_array_add(resolv->servers, g_strdup(node->dns_ip));
  g_ptr_array_add(resolv->searches, g_strdup_printf("%s.svc.%s", namespace_, node->dns_domain));
  g_ptr_array_add(resolv->searches, g_strdup_printf("svc.%s", node->dns_domain));
  g_ptr_array_add(resolv->searches, g_strdup(node->dns_domain));
  g_ptr_array_add(resolv->options, g_strdup("ndots:5"));
  read_host(host, unused, resolv->searches, unused);
}

/* An option given again replaces the one of the same name. */
static void set_option(GPtrArray *options, const char *name, const char *value)
{
  for (guint i = 0; i < options->len; i++) {
    const char *option = options->pdata[i];
    gsize length = strcspn(option, ":");
    if (strlen(name) == length && strncmp(option, name, length) == 0) {
      g_ptr_array_remove_index(options, i);
      break;
    }
  }
  g_ptr_array_add(options, value ? g_strdup_printf("%s:%s", name, value) : g_strdup(name));
}

static void add_config(Resolv *resolv, const json_t *config)
{
  const json_t *item;
  size_t i;
  json_array_foreach (json_object_get(config, "nameservers"), i, item)
    add_unique(resolv->servers, json_string_value(item), NAMESERVERS_MAX);
  json_array_foreach (json_object_get(config, "searches"), i, item)
    add_unique(resolv->searches, json_string_value(item), SEARCH_MAX);
  json_array_foreach (json_object_get(config, "options"), i, item)
    set_option(resolv->options, json_str(item, "name", ""), json_str(item, "value", NULL));
}

static void append_list(GString *text, const char *key, GPtrArray *list)
{
  if (list->len == 0)
    return;
  g_string_append(text, key);
  for (guint i = 0; i < list->len; i++)
    g_string_append_printf(text, " %s", (char *)list->pdata[i]);
  g_string_append_c(text, '\n');
}

char *pod_files_resolv_conf(const json_t *pod, const NodeFacts *node, const char *host)
{
  const json_t *spec = json_object_get(pod, "spec");
  const char *policy = json_str(spec, "dnsPolicy", "ClusterFirst");
  bool host_network = json_flag(spec, "hostNetwork", false);
  Resolv resolv;
  resolv_init(&resolv);
  if (g_str_equal(policy, "ClusterFirstWithHostNet") || (g_str_equal(policy, "ClusterFirst") && !host_network))
    use_cluster(&resolv, pod, node, host);
  else if (!g_str_equal(policy, "None"))
    read_host(host, resolv.servers, resolv.searches, resolv.options);
  add_config(&resolv, json_object_get(spec, "dnsConfig"));
  GString *text = g_string_new(NULL);
  append_list(text, "search", resolv.searches);
  for (guint i = 0; i < resolv.servers->len && i < NAMESERVERS_MAX; i++)
    g_string_append_printf(text, "nameserver %s\n", (char *)resolv.servers->pdata[i]);
  append_list(text, "options", resolv.options);
  resolv_clear(&resolv);
  return g_string_free(text, FALSE);
}

/* hostname.subdomain.namespace.svc.domain; NULL without a subdomain. */
static char *full_name(const json_t *pod, const NodeFacts *node, const char *hostname)
{
  const char *subdomain = json_str(json_object_get(pod, "spec"), "subdomain", "");
  if (!*subdomain)
    return NULL;
  return g_strdup_printf("%s.%s.%s.svc.%s", hostname, subdomain,
                         json_str(json_object_get(pod, "metadata"), "namespace", ""), node->dns_domain);
}

static char *short_hostname(const json_t *pod)
{
  const char *own = json_str(json_object_get(pod, "spec"), "hostname", "");
  const char *name = *own ? own : json_str(json_object_get(pod, "metadata"), "name", "");
  char *hostname = g_strndup(name, HOSTNAME_MAX);
  /* A cut name must not end in a mark. */
  for (size_t n = strlen(hostname); n > 0 && strchr("-.", hostname[n - 1]); n--)
    hostname[n - 1] = '\0';
  return hostname;
}

char *pod_files_hostname(const json_t *pod, const NodeFacts *node)
{
  char *hostname = short_hostname(pod);
  char *full = full_name(pod, node, hostname);
  if (!full || !json_flag(json_object_get(pod, "spec"), "setHostnameAsFQDN", false)) {
    g_free(full);
    return hostname;
  }
  g_free(hostname);
  return full;
}

static void append_aliases(GString *text, const json_t *aliases)
{
  const json_t *alias, *name;
  size_t i, k;
  if (json_array_size(aliases) == 0)
    return;
  g_string_append(text, "\n# Entries added by HostAliases.\n");
  json_array_foreach (aliases, i, alias) {
    g_string_append(text, json_str(alias, "ip", ""));
    json_array_foreach (json_object_get(alias, "hostnames"), k, name)
      g_string_append_printf(text, "\t%s", json_string_value(name));
    g_string_append_c(text, '\n');
  }
}

char *pod_files_hosts(const json_t *pod, const NodeFacts *node, AddressPair pod_ips, const char *host)
{
  const json_t *spec = json_object_get(pod, "spec");
  GString *text = g_string_new(NULL);
  if (json_flag(spec, "hostNetwork", false)) {
    g_string_append_printf(text, "# Kubernetes-managed hosts file (host network).\n%s", host ? host : "");
  } else {
    g_autofree char *hostname = short_hostname(pod);
    g_autofree char *full = full_name(pod, node, hostname);
    g_string_append(text, "# Kubernetes-managed hosts file.\n"
                          "127.0.0.1\tlocalhost\n"
                          "::1\tlocalhost ip6-localhost ip6-loopback\n"
                          "fe00::0\tip6-localnet\n"
                          "fe00::0\tip6-mcastprefix\n"
                          "fe00::1\tip6-allnodes\n"
                          "fe00::2\tip6-allrouters\n");
    const char *const addresses[] = { pod_ips.ip, pod_ips.other };
    for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++)
      if (addresses[i])
        g_string_append_printf(text, "%s\t%s%s%s\n", addresses[i], full ? full : "", full ? "\t" : "", hostname);
  }
  append_aliases(text, json_object_get(spec, "hostAliases"));
  return g_string_free(text, FALSE);
}
