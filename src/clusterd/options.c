#include "clusterd/options.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/ip_address.h"
#include "base/runtime_name.h"

#define DURATION_MAX_SECONDS (INT64_C(100) * 8766 * 3600)
#define MEMBER(name) G_STRUCT_OFFSET(ClusterConfig, name)

static const char *const component_names[] = { "controllers", "scheduler", "node", "proxy", "dns", NULL };
static const char *const authorization_modes[] = { "RBAC", "Node", "AlwaysAllow", "AlwaysDeny", NULL };

const Option option_table[] = {
  { "What runs", "config", NULL, OPTION_TEXT, "FILE", MEMBER(config_file),
    .help = "cluster.json of a machine; the options below go before what it says" },
  { NULL, "no-node", NULL, OPTION_FLAG, NULL, MEMBER(no_node), .help = "run the API server and the controllers alone" },
  { NULL, "components", "components", OPTION_LIST, "NAMES", MEMBER(components), .choices = component_names,
    .help = "what runs besides the API server; all of them, or with --no-node controllers, when not given" },
  { NULL, "data-dir", "dataDir", OPTION_TEXT, "FOLDER", MEMBER(data_dir), "/var/lib/launcher",
    .help = "where state is kept" },
  { NULL, "write-kubeconfig", NULL, OPTION_TEXT, "FILE", MEMBER(write_kubeconfig),
    .help = "write an administrator's kubeconfig there once the server listens" },
  { NULL, "events-path", "eventsPath", OPTION_TEXT, "FILE", MEMBER(events_path), "/run/launcher/events",
    .help = "append the steps of the start to this file, which must exist, as JSON lines" },
  { NULL, "cluster-name", "profile", OPTION_TEXT, "NAME", MEMBER(profile), "launcher", .help = "the cluster's name" },
  { NULL, "hostname-override", "nodeName", OPTION_TEXT, "NAME", MEMBER(node_name), "launcher",
    .help = "the node's name" },
  { NULL, "pod-manifest-path", "podManifestPath", OPTION_TEXT, "FOLDER", MEMBER(static_pods_dir),
    "/etc/kubernetes/manifests", .help = "files of static pods, which the node runs whatever the API says" },
  { NULL, "allowed-unsafe-sysctls", NULL, OPTION_LIST, "NAMES", MEMBER(unsafe_sysctls),
    .help =
        "kernel settings that pods may have of their own besides the safe ones, as kernel.msg*,net.core.somaxconn" },
  { NULL, "container-runtime", "containerRuntime", OPTION_TEXT, "NAME", MEMBER(runtime), "native",
    .choices = runtime_names, .help = "what runs the node's containers" },
  { NULL, "container-runtime-endpoint", "containerRuntimeEndpoint", OPTION_TEXT, "SOCKET", MEMBER(runtime_endpoint),
    .help =
        "where its daemon listens, as unix:///run/containerd/containerd.sock; where it usually does when not given" },
  { .member = "kubernetesVersion", .type = OPTION_TEXT, .offset = MEMBER(kubernetes_version), .fallback = "v1.32.0" },
  { .member = "imageStore",
    .type = OPTION_TEXT,
    .offset = MEMBER(image_store),
    .fallback = "/usr/share/launcher/images" },

  { "Serving", "bind-address", "listenAddress", OPTION_ADDRESS, "ADDRESS", MEMBER(listen_address), "0.0.0.0",
    .help = "listen on this address" },
  { NULL, "secure-port", "apiPort", OPTION_NUMBER, "PORT", MEMBER(api_port), "6443", 65535,
    .help = "listen on this port; 0: any free one" },
  { NULL, "advertise-address", "nodeIP", OPTION_ADDRESS, "ADDRESS", MEMBER(node_ip),
    .help = "where the service kubernetes leads; the machine's own address when not given" },
  { NULL, "cert-dir", "pkiDir", OPTION_TEXT, "FOLDER", MEMBER(pki_dir), "/etc/launcher/pki",
    .help = "keys and certificates; without --config it is pki in --data-dir, and those that are not there are made" },
  { NULL, "tls-cert-file", NULL, OPTION_TEXT, "FILE", MEMBER(cert_file),
    .help = "the serving certificate and its chain (PEM); apiserver.crt in --cert-dir when not given" },
  { NULL, "tls-private-key-file", NULL, OPTION_TEXT, "FILE", MEMBER(key_file),
    .help = "its private key (PEM); apiserver.key in --cert-dir when not given" },

  { "Authentication", "client-ca-file", NULL, OPTION_TEXT, "FILE", MEMBER(client_ca_file),
    .help = "who signs client certificates (PEM); ca.crt in --cert-dir when not given" },
  { NULL, "token-auth-file", NULL, OPTION_TEXT, "FILE", MEMBER(token_file),
    .help = "static tokens: lines of token,user,uid[,\"group1,group2\"]" },
  { NULL, "anonymous-auth", NULL, OPTION_FLAG, NULL, MEMBER(anonymous_auth), "true",
    .help = "let requests without credentials in as system:anonymous" },
  { NULL, "enable-bootstrap-token-auth", NULL, OPTION_FLAG, NULL, MEMBER(bootstrap_tokens), "true",
    .help = "let the tokens in that Secrets of type bootstrap.kubernetes.io/token in kube-system hold" },
  { NULL, "service-account-issuer", NULL, OPTION_LIST, "URLS", MEMBER(service_account_issuers),
    .help = "who issues service account tokens; the first issues, all are believed; "
            "https://kubernetes.default.svc.DOMAIN when not given" },
  { NULL, "api-audiences", NULL, OPTION_LIST, "NAMES", MEMBER(api_audiences),
    .help = "the audiences of this API; the issuers when not given" },
  { NULL, "service-account-key-file", NULL, OPTION_LIST, "FILES", MEMBER(service_account_key_files),
    .help = "more keys that service account tokens are verified with (PEM)" },
  { NULL, "service-account-jwks-uri", NULL, OPTION_TEXT, "URL", MEMBER(jwks_uri),
    .help = "where others are told to find these keys; at this server's own address when not given" },
  { NULL, "service-account-signing-key-file", NULL, OPTION_TEXT, "FILE", MEMBER(service_account_signing_key_file),
    .help = "the key that signs them (PEM); sa.key in --cert-dir when not given" },

  { NULL, "cluster-signing-cert-file", NULL, OPTION_TEXT, "FILE", MEMBER(signing_cert_file),
    .help = "the CA that signs approved CertificateSigningRequests (PEM); ca.crt in --cert-dir when not given" },
  { NULL, "cluster-signing-key-file", NULL, OPTION_TEXT, "FILE", MEMBER(signing_key_file),
    .help = "its private key (PEM); ca.key in --cert-dir when not given" },
  { NULL, "cluster-signing-duration", NULL, OPTION_DURATION, "DURATION", MEMBER(signing_lifetime_seconds), "8760h0m0s",
    .help = "how long the certificates are valid, at most" },

  { "Authorization and admission", "authorization-mode", NULL, OPTION_LIST, "MODES", MEMBER(authorization_modes),
    "RBAC", .choices = authorization_modes, .help = "who decides, in this order; the first that allows is followed" },
  { NULL, "enable-admission-plugins", NULL, OPTION_LIST, "NAMES", MEMBER(enabled_plugins),
    .help = "plugins to run besides those that run anyway" },
  { NULL, "disable-admission-plugins", NULL, OPTION_LIST, "NAMES", MEMBER(disabled_plugins),
    .help = "plugins not to run" },

  { "API aggregation", "proxy-client-cert-file", NULL, OPTION_TEXT, "FILE", MEMBER(proxy_client_cert_file),
    .help = "the certificate to show to extension API servers (PEM); one that is made at each start when not given" },
  { NULL, "proxy-client-key-file", NULL, OPTION_TEXT, "FILE", MEMBER(proxy_client_key_file),
    .help = "its private key (PEM)" },
  { NULL, "requestheader-client-ca-file", NULL, OPTION_TEXT, "FILE", MEMBER(front_proxy_ca_file),
    .help = "who signed it (PEM): extension API servers are told to trust it" },

  { "Autoscaling", "horizontal-pod-autoscaler-sync-period", NULL, OPTION_DURATION, "DURATION",
    MEMBER(horizontal_sync_seconds), "15s", .min = 1,
    .help = "how often HorizontalPodAutoscalers look at their metrics" },
  { NULL, "horizontal-pod-autoscaler-downscale-stabilization", NULL, OPTION_DURATION, "DURATION",
    MEMBER(horizontal_stabilization_seconds), "5m0s",
    .help = "how long what was recommended keeps their targets from having fewer pods" },
  { NULL, "horizontal-pod-autoscaler-tolerance", NULL, OPTION_FRACTION, "NUMBER", MEMBER(horizontal_tolerance), "0.1",
    10, .help = "by which part a metric may miss its target without anything being done" },
  { NULL, "horizontal-pod-autoscaler-cpu-initialization-period", NULL, OPTION_DURATION, "DURATION",
    MEMBER(horizontal_initialization_seconds), "5m0s",
    .help = "how long after a pod's start its CPU counts only while it is ready" },
  { NULL, "horizontal-pod-autoscaler-initial-readiness-delay", NULL, OPTION_DURATION, "DURATION",
    MEMBER(horizontal_readiness_seconds), "30s",
    .help = "how long after a pod's start a change of its readiness is taken for the first one" },

  { "Audit", "audit-policy-file", NULL, OPTION_TEXT, "FILE", MEMBER(audit_policy_file),
    .help = "what is audited: a Policy of audit.k8s.io/v1 (YAML); nothing when not given" },
  { NULL, "audit-log-path", NULL, OPTION_TEXT, "FILE", MEMBER(audit_log_path),
    .help = "where audit events go, a line each; -: standard output" },
  { NULL, "audit-log-maxsize", NULL, OPTION_NUMBER, "MIB", MEMBER(audit_log_max_size), "100", 1 << 20,
    .help = "begin a new file when this one would become larger; 0: never" },
  { NULL, "audit-log-maxbackup", NULL, OPTION_NUMBER, "NUMBER", MEMBER(audit_log_max_backups), NULL, 10000,
    .help = "how many old files are kept; 0: all" },

  { "Storage", "etcd-servers", NULL, OPTION_LIST, "URLS", MEMBER(etcd_servers),
    .help = "keep the objects in this etcd cluster; in a file in --data-dir when not given" },
  { NULL, "etcd-cafile", NULL, OPTION_TEXT, "FILE", MEMBER(etcd_ca_file),
    .help = "who signs the certificates of etcd (PEM)" },
  { NULL, "etcd-certfile", NULL, OPTION_TEXT, "FILE", MEMBER(etcd_cert_file),
    .help = "the certificate to show to etcd (PEM)" },
  { NULL, "etcd-keyfile", NULL, OPTION_TEXT, "FILE", MEMBER(etcd_key_file), .help = "its private key (PEM)" },
  { NULL, "event-ttl", NULL, OPTION_DURATION, "DURATION", MEMBER(event_ttl_seconds), "1h0m0s",
    .help = "how long events are kept after they were last written" },

  { "Scheduling", "scheduler-config", NULL, OPTION_TEXT, "FILE", MEMBER(scheduler_config_file),
    .help = "profiles of the scheduler: a KubeSchedulerConfiguration of kubescheduler.config.k8s.io/v1 (YAML); "
            "upstream's defaults when not given" },

  { "Networks", "service-cluster-ip-range", "serviceCIDR", OPTION_RANGE, "RANGE", MEMBER(service_cidr), "10.96.0.0/12",
    .help = "where services get their addresses from; with a range of each family (comma-separated, the default family "
            "first; IPv6 from /108) they can have both" },
  { NULL, "cluster-cidr", "podCIDR", OPTION_RANGE, "RANGE", MEMBER(pod_cidr), "10.244.0.0/24",
    .help = "where the pods of this node get their addresses from; with a range of each family (comma-separated) they "
            "have one of each" },
  { NULL, "cluster-domain", "dnsDomain", OPTION_TEXT, "DOMAIN", MEMBER(dns_domain), "cluster.local",
    .help = "the domain of the cluster DNS" },
  { NULL, "cluster-dns", "dnsIP", OPTION_ADDRESS, "ADDRESS", MEMBER(dns_ip), "10.96.0.10", .help = "its address" },
  { NULL, "load-balancer-address", "loadBalancerAddress", OPTION_ADDRESS, "ADDRESS", MEMBER(balancer_address),
    .help = "what services of type LoadBalancer get: an address whose ports something outside leads to their node "
            "ports; the node's own when not given" },
  { NULL, "load-balancer-reserved-ports", "loadBalancerReservedPorts", OPTION_LIST, "PORTS", MEMBER(balancer_reserved),
    .help = "TCP ports of that address which no service gets" },

  { "The node under pressure", "eviction-hard", "evictionHard", OPTION_LIST, "SIGNALS", MEMBER(eviction_hard),
    "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,imagefs.available<15%,imagefs.inodesFree<5%",
    .help = "when pods are evicted at once: amounts, or parts of what there is, of memory.available, nodefs.available, "
            "nodefs.inodesFree, imagefs.available, imagefs.inodesFree and pid.available" },
  { NULL, "eviction-soft", "evictionSoft", OPTION_LIST, "SIGNALS", MEMBER(eviction_soft),
    .help = "when they are evicted if it stays so for a time" },
  { NULL, "eviction-soft-grace-period", "evictionSoftGracePeriod", OPTION_LIST, "DURATIONS",
    MEMBER(eviction_soft_grace), .help = "that time for each signal, as memory.available=1m30s" },
  { NULL, "eviction-minimum-reclaim", "evictionMinimumReclaim", OPTION_LIST, "AMOUNTS",
    MEMBER(eviction_minimum_reclaim),
    .help = "how much more than the threshold is to be free before eviction ends, as nodefs.available=500Mi" },
  { NULL, "eviction-pressure-transition-period", "evictionPressureTransitionPeriod", OPTION_DURATION, "DURATION",
    MEMBER(eviction_transition_seconds), "5m0s", .help = "how long the node shows pressure after its end" },
  { NULL, "eviction-max-pod-grace-period", "evictionMaxPodGracePeriod", OPTION_NUMBER, "SECONDS",
    MEMBER(eviction_max_pod_grace_seconds), NULL, 86400,
    .help = "how long pods get to end that a soft threshold evicts, at most" },
  { NULL, "housekeeping-interval", "housekeepingInterval", OPTION_DURATION, "DURATION", MEMBER(housekeeping_seconds),
    "10s", .min = 1, .help = "how often the node is looked at when the kernel reports nothing" },
  { NULL, "image-gc-high-threshold", "imageGCHighThresholdPercent", OPTION_NUMBER, "PERCENT", MEMBER(image_gc_high),
    "85", 100, .help = "from when on unused images are removed: how full their disk is; 100: never" },
  { NULL, "image-gc-low-threshold", "imageGCLowThresholdPercent", OPTION_NUMBER, "PERCENT", MEMBER(image_gc_low), "80",
    100, .help = "and down to where" },
  { NULL, "minimum-image-ttl-duration", "imageMinimumGCAge", OPTION_DURATION, "DURATION", MEMBER(image_minimum_seconds),
    "2m0s", .help = "how long an image is kept in any case" },
  { NULL, "maximum-image-ttl-duration", "imageMaximumGCAge", OPTION_DURATION, "DURATION", MEMBER(image_maximum_seconds),
    "0s", .help = "how long an unused one is kept at most; 0s: as long as there is room" },
  { NULL, "kube-reserved", "kubeReserved", OPTION_LIST, "AMOUNTS", MEMBER(kube_reserved),
    .help = "what pods may not have of the node, as cpu=100m,memory=200Mi,ephemeral-storage=1Gi" },
  { NULL, "system-reserved", "systemReserved", OPTION_LIST, "AMOUNTS", MEMBER(system_reserved),
    .help = "and what else they may not have" },

  { "Images", "registry-mirror", "registryMirrors", OPTION_LIST, "URLS", MEMBER(registry_mirrors),
    .help = "copies of docker.io to ask first, or HOST=URL: of another registry" },
  { NULL, "insecure-registry", "insecureRegistries", OPTION_LIST, "HOSTS", MEMBER(insecure_registries),
    .help =
        "registries (HOST, HOST:PORT or a range of addresses) without a certificate that counts; plain HTTP will do" },
  { NULL, "registry-ca-file", "registryCAFile", OPTION_TEXT, "FILE", MEMBER(registry_ca_file),
    .help =
        "who else may sign the certificates of registries (PEM); those in /etc/docker/certs.d/HOST are known anyway" },

  { "Others", "verbose", NULL, OPTION_ACTION, .help = "log more; may be given three times; -v" },
  { NULL, "version", NULL, OPTION_ACTION, .help = "print the version and exit" },
  { NULL, "help", NULL, OPTION_ACTION, .help = "print this help and exit" },
  { 0 },
};

/* --- setting -------------------------------------------------------------------------------------------------------
 */

static char *set_text(char **member, const char *text)
{
  g_free(*member);
  *member = *text ? g_strdup(text) : NULL;
  return NULL;
}

static char *set_address(char **member, const char *text)
{
  struct in_addr address;
  if (*text && inet_pton(AF_INET, text, &address) != 1)
    return g_strdup_printf("\"%s\" must be an IPv4 address", text);
  return set_text(member, text);
}

static char *set_range(char **member, const char *text)
{
  IpRange ranges[IP_FAMILIES];
  unsigned count = ip_ranges_parse(text, ranges);
  for (unsigned i = 0; i < count; i++)
    if (ranges[i].bits < 8 || ranges[i].bits > ip_family_bits(ranges[i].family) - 2)
      count = 0;
  if (count == 0)
    return g_strdup_printf("\"%s\" must be a range of 4 addresses or more, as 10.96.0.0/12, or one of each IP family, "
                           "as 10.96.0.0/12,fd00:10:96::/112",
                           text);
  return set_text(member, text);
}

static char *set_flag(bool *member, const char *text)
{
  static const char *const yes[] = { "", "true", "1", "t", "T", "TRUE", "True", NULL };
  static const char *const no[] = { "false", "0", "f", "F", "FALSE", "False", NULL };
  *member = g_strv_contains(yes, text);
  return *member || g_strv_contains(no, text) ? NULL : g_strdup_printf("\"%s\" must be true or false", text);
}

static char *set_number(int64_t *member, const char *text, int64_t max)
{
  return g_ascii_string_to_signed(text, 10, 0, max, member, NULL)
             ? NULL
             : g_strdup_printf("\"%s\" must be a number from 0 to %" G_GINT64_FORMAT, text, max);
}

static char *set_fraction(double *member, const char *text, int64_t max)
{
  char *end;
  double value = g_ascii_strtod(text, &end);
  if (!g_ascii_isdigit(*text) || *end || !(value <= (double)max))
    return g_strdup_printf("\"%s\" must be a number from 0 to %" G_GINT64_FORMAT ", as 0.1", text, max);
  *member = value;
  return NULL;
}

/* Go's durations in whole seconds: "8760h0m0s", "90s". */
static char *set_duration(int64_t *member, const char *text, int64_t min)
{
  static const struct {
    char unit;
    int64_t seconds;
  } units[] = { { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
  int64_t total = 0;
  const char *c = text;
  for (gsize i = 0; i < G_N_ELEMENTS(units) && *c; i++) {
    char *end;
    guint64 number = g_ascii_isdigit(*c) ? g_ascii_strtoull(c, &end, 10) : 0;
    if (!g_ascii_isdigit(*c) || *end != units[i].unit)
      continue;
    total += (int64_t)MIN(number, DURATION_MAX_SECONDS) * units[i].seconds;
    c = end + 1;
  }
  if (*c || !*text || total > DURATION_MAX_SECONDS)
    return g_strdup_printf("\"%s\" must be a duration of at most 100 years, as 1h30m0s", text);
  if (total < min)
    return g_strdup_printf("\"%s\" must be at least %" G_GINT64_FORMAT "s", text, min);
  *member = total;
  return NULL;
}

static char *unknown_choice(const Option *option, const char *text)
{
  g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)option->choices);
  return g_strdup_printf("\"%s\" is unknown; there are %s", text, all);
}

static char *set_list(char ***member, const Option *option, const char *text, bool replace)
{
  g_autoptr(GStrvBuilder) items = g_strv_builder_new();
  g_auto(GStrv) given = g_strsplit(text, ",", -1);
  if (*member && !replace)
    g_strv_builder_addv(items, (const char **)(uintptr_t)*member);
  for (int i = 0; given[i]; i++) {
    const char *item = g_strstrip(given[i]);
    if (!*item)
      continue;
    if (option->choices && !g_strv_contains(option->choices, item))
      return unknown_choice(option, item);
    g_strv_builder_add(items, item);
  }
  g_strfreev(*member);
  *member = g_strv_builder_end(items);
  return g_strv_length(*member) <= OPTION_ITEMS_MAX ? NULL : g_strdup_printf("more than %d items", OPTION_ITEMS_MAX);
}

char *option_set(const Option *option, ClusterConfig *config, const char *text, bool replace)
{
  void *member = G_STRUCT_MEMBER_P(config, option->offset);
  if (strlen(text) > OPTION_TEXT_MAX)
    return g_strdup_printf("longer than %d bytes", OPTION_TEXT_MAX);
  switch (option->type) {
  case OPTION_TEXT:
    if (option->choices && !g_strv_contains(option->choices, text))
      return unknown_choice(option, text);
    return set_text(member, text);
  case OPTION_ADDRESS:
    return set_address(member, text);
  case OPTION_RANGE:
    return set_range(member, text);
  case OPTION_LIST:
    return set_list(member, option, text, replace);
  case OPTION_FLAG:
    return set_flag(member, text);
  case OPTION_NUMBER:
    return set_number(member, text, option->max);
  case OPTION_FRACTION:
    return set_fraction(member, text, option->max);
  case OPTION_DURATION:
    return set_duration(member, text, option->min);
  case OPTION_ACTION:
    break;
  }
  return NULL;
}

void option_clear(const Option *option, ClusterConfig *config)
{
  void *member = G_STRUCT_MEMBER_P(config, option->offset);
  if (option->type == OPTION_LIST)
    g_clear_pointer((char ***)member, g_strfreev);
  else if (option->type == OPTION_TEXT || option->type == OPTION_ADDRESS || option->type == OPTION_RANGE)
    g_clear_pointer((char **)member, g_free);
}
