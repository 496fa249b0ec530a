/* The kubelet's pure parts: environment, files, resources, logs, folders that change at once, status. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"
#include "clusterd/node/logs/log_reader.h"
#include "clusterd/node/pod/env.h"
#include "clusterd/node/pod/pod_files.h"
#include "clusterd/node/pod/pod_status.h"
#include "clusterd/node/pod/pull_secrets.h"
#include "clusterd/node/resources.h"
#include "clusterd/node/sandbox/pod_limits.h"
#include "clusterd/node/volumes/atomic_dir.h"
#include "clusterd/node/volumes/host_path.h"

static const NodeFacts node = { .name = "n1",
                                .ip = "10.0.2.15",
                                .other_ip = "fec0::15",
                                .dns_ip = "10.96.0.10",
                                .dns_domain = "cluster.local",
                                .cpu_milli = 2000,
                                .memory_bytes = 4294967296 };

static json_t *yaml(const char *text)
{
  g_autoptr(GError) error = NULL;
  json_t *value = yaml_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  return value;
}

/* {configmaps: {name: object}, secrets: …, services: {namespace: [object]}} */
static json_t *view_object(void *data, const char *plural, const char *namespace_, const char *name)
{
  return json_incref(json_at(data, plural, name, NULL));
}

static GPtrArray *view_services(void *data, const char *namespace_)
{
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
  size_t i;
  json_t *item;
  json_array_foreach (json_at(data, "services", namespace_, NULL), i, item)
    g_ptr_array_add(list, json_incref(item));
  return list;
}

static char *env_text(const char *cluster_yaml, const char *pod_yaml, GError **error)
{
  g_autoptr(json_t) cluster = yaml(cluster_yaml);
  g_autoptr(json_t) pod = yaml(pod_yaml);
  ClusterView view = { .data = cluster, .object = view_object, .services = view_services };
  EnvContext context = { .pod = pod,
                         .container = json_array_get(json_at(pod, "spec", "containers", NULL), 0),
                         .view = &view,
                         .node = &node,
                         .pod_ips = { "10.244.0.5", "fd00::5" } };
  g_autoptr(GPtrArray) skipped = NULL;
  g_autoptr(Env) env = env_build(&context, &skipped, error);
  if (!env)
    return NULL;
  g_auto(GStrv) strings = env_strings(env);
  return g_strjoinv("\n", strings);
}

static void test_env_services(void)
{
  g_autofree char *text = env_text(
      "{services: {default: [{metadata: {name: kubernetes}, spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: "
      "443}]}}], a: [{metadata: {name: my-db}, spec: {clusterIP: 10.96.0.9, ports: [{port: 53, protocol: UDP}]}}, "
      "{metadata: {name: six}, spec: {clusterIP: 'fd00::9', ports: [{port: 53}]}}, "
      "{metadata: {name: headless}, spec: {clusterIP: None, ports: [{port: 1}]}}]}}",
      "{metadata: {name: p, namespace: a}, spec: {containers: [{name: c}]}}", NULL);
  g_assert_cmpstr(text, ==,
                  "KUBERNETES_SERVICE_HOST=10.96.0.1\nKUBERNETES_SERVICE_PORT=443\nKUBERNETES_SERVICE_PORT_HTTPS=443\n"
                  "KUBERNETES_PORT=tcp://10.96.0.1:443\nKUBERNETES_PORT_443_TCP=tcp://10.96.0.1:443\n"
                  "KUBERNETES_PORT_443_TCP_PROTO=tcp\nKUBERNETES_PORT_443_TCP_PORT=443\n"
                  "KUBERNETES_PORT_443_TCP_ADDR=10.96.0.1\n"
                  "MY_DB_SERVICE_HOST=10.96.0.9\nMY_DB_SERVICE_PORT=53\nMY_DB_PORT=udp://10.96.0.9:53\n"
                  "MY_DB_PORT_53_UDP=udp://10.96.0.9:53\nMY_DB_PORT_53_UDP_PROTO=udp\nMY_DB_PORT_53_UDP_PORT=53\n"
                  "MY_DB_PORT_53_UDP_ADDR=10.96.0.9\n"
                  "SIX_SERVICE_HOST=fd00::9\nSIX_SERVICE_PORT=53\nSIX_PORT=tcp://[fd00::9]:53\n"
                  "SIX_PORT_53_TCP=tcp://[fd00::9]:53\nSIX_PORT_53_TCP_PROTO=tcp\nSIX_PORT_53_TCP_PORT=53\n"
                  "SIX_PORT_53_TCP_ADDR=fd00::9");
}

static void test_env_values(void)
{
  g_autofree char *text = env_text(
      "{configmaps: {m: {data: {a: '1', b: '2', 'x=y': '3'}}}, secrets: {s: {data: {k: dg==}}}}",
      "{metadata: {name: p, namespace: a, labels: {app.kubernetes.io/name: web}}, spec: {containers: [{name: c, "
      "resources: {limits: {cpu: 1500m}}, envFrom: [{prefix: P_, configMapRef: {name: m}}, {configMapRef: {name: none, "
      "optional: true}}], env: [{name: P_a, value: mine}, {name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}, "
      "{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: IPS, valueFrom: {fieldRef: {fieldPath: "
      "status.podIPs}}}, {name: HOST, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}, {name: HOSTS, valueFrom: "
      "{fieldRef: {fieldPath: status.hostIPs}}}, {name: L, valueFrom: {fieldRef: {fieldPath: "
      "\"metadata.labels['app.kubernetes.io/name']\"}}}, {name: CPU, valueFrom: {resourceFieldRef: {resource: "
      "limits.cpu}}}, {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}, {name: "
      "NONE, "
      "valueFrom: {configMapKeyRef: {name: m, key: none, optional: true}}}, {name: ALL, value: $(S)-$(LATER)-$$(S)}, "
      "{name: LATER, value: x}]}]}}",
      NULL);
  g_assert_cmpstr(text, ==,
                  "P_a=mine\nP_b=2\nS=v\nIP=10.244.0.5\nIPS=10.244.0.5,fd00::5\nHOST=10.0.2.15\nHOSTS=10.0.2.15,fec0::"
                  "15\nL=web\nCPU=2\nMEM=4096\nALL=v-$(LATER)-$(S)\nLATER=x");
}

static void test_env_errors(void)
{
  static const struct {
    const char *from, *message;
  } rows[] = { { "configMapKeyRef: {name: none, key: k}", "configmap \"none\" not found" },
               { "configMapKeyRef: {name: m, key: k}", "couldn't find key k in ConfigMap a/m" },
               { "secretKeyRef: {name: none, key: k}", "secret \"none\" not found" } };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *pod = g_strdup_printf("{metadata: {name: p, namespace: a}, spec: {containers: [{name: c, env: "
                                           "[{name: K, valueFrom: {%s}}]}]}}",
                                           rows[i].from);
    g_autofree char *text = env_text("{configmaps: {m: {data: {}}}}", pod, &error);
    g_assert_null(text);
    g_assert_cmpstr(error->message, ==, rows[i].message);
  }
}

static void test_resolv_conf(void)
{
  static const char host[] = "search lan\nnameserver 10.0.2.3\noptions edns0\n";
  static const struct {
    const char *spec, *text;
  } rows[] = {
    { "{}",
      "search a.svc.cluster.local svc.cluster.local cluster.local lan\nnameserver 10.96.0.10\noptions ndots:5\n" },
    { "{dnsPolicy: Default}", "search lan\nnameserver 10.0.2.3\noptions edns0\n" },
    { "{hostNetwork: true}", "search lan\nnameserver 10.0.2.3\noptions edns0\n" },
    { "{hostNetwork: true, dnsPolicy: ClusterFirstWithHostNet}",
      "search a.svc.cluster.local svc.cluster.local cluster.local lan\nnameserver 10.96.0.10\noptions ndots:5\n" },
    { "{dnsPolicy: None, dnsConfig: {nameservers: [1.1.1.1], searches: [x.y], options: [{name: ndots, value: '2'}, "
      "{name: "
      "rotate}]}}",
      "search x.y\nnameserver 1.1.1.1\noptions ndots:2 rotate\n" },
    { "{dnsConfig: {options: [{name: ndots, value: '1'}]}}",
      "search a.svc.cluster.local svc.cluster.local cluster.local lan\nnameserver 10.96.0.10\noptions ndots:1\n" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = g_strdup_printf("{metadata: {name: p, namespace: a}, spec: %s}", rows[i].spec);
    g_autoptr(json_t) pod = yaml(text);
    g_autofree char *resolv = pod_files_resolv_conf(pod, &node, host);
    g_assert_cmpstr(resolv, ==, rows[i].text);
  }
}

static void test_hosts(void)
{
  g_autoptr(json_t) pod = yaml("{metadata: {name: p-0, namespace: a}, spec: {hostname: h, subdomain: db, hostAliases: "
                               "[{ip: 1.2.3.4, hostnames: [x, y]}], setHostnameAsFQDN: true}}");
  g_autofree char *hosts = pod_files_hosts(pod, &node, (AddressPair){ "10.244.0.5", "fd00::5" }, "");
  g_autofree char *hostname = pod_files_hostname(pod, &node);
  g_assert_true(g_str_has_prefix(hosts, "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"));
  g_assert_nonnull(strstr(hosts, "\n10.244.0.5\th.db.a.svc.cluster.local\th\nfd00::5\th.db.a.svc.cluster.local\th\n"));
  g_assert_nonnull(strstr(hosts, "\n# Entries added by HostAliases.\n1.2.3.4\tx\ty\n"));
  g_assert_cmpstr(hostname, ==, "h.db.a.svc.cluster.local");
}

static void test_resources(void)
{
  static const struct {
    const char *resources, *qos;
    int64_t shares, quota, memory;
    int oom;
  } rows[] = {
    { "{}", "BestEffort", 2, 0, 0, 1000 },
    { "{requests: {cpu: 250m, memory: 1Gi}}", "Burstable", 256, 0, 0, 750 },
    { "{requests: {cpu: 1m}}", "Burstable", 2, 0, 0, 999 },
    { "{limits: {cpu: 500m, memory: 64Mi}}", "Guaranteed", 512, 50000, 67108864, -997 },
    { "{limits: {cpu: 500m, memory: 64Mi}, requests: {cpu: 500m, memory: 32Mi}}", "Burstable", 512, 50000, 67108864,
      993 },
    { "{limits: {cpu: 1m}}", "Burstable", 2, 1000, 0, 999 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text =
        g_strdup_printf("{metadata: {uid: u}, spec: {containers: [{name: c, resources: %s}]}}", rows[i].resources);
    g_autoptr(json_t) pod = yaml(text);
    const json_t *container = json_array_get(json_at(pod, "spec", "containers", NULL), 0);
    ContainerLimits limits = resources_limits(pod, container, 4294967296);
    g_test_message("%s", rows[i].resources);
    g_assert_cmpstr(resources_qos_class(pod), ==, rows[i].qos);
    g_assert_cmpint(limits.cpu_shares, ==, rows[i].shares);
    g_assert_cmpint(limits.cpu_quota_us, ==, rows[i].quota);
    g_assert_cmpint(limits.memory_bytes, ==, rows[i].memory);
    g_assert_cmpint(limits.oom_score_adj, ==, rows[i].oom);
  }
}

/* What the pod's group is given: all containers, or one that comes before them, and the overhead. */
static void test_pod_resources(void)
{
#define BOTH(cpu, memory) "{cpu: " cpu ", memory: " memory "}"
#define LIMITS(cpu, memory) "resources: {limits: " BOTH(cpu, memory) "}"
  static const struct {
    const char *spec;
    int64_t shares, quota, memory;
  } rows[] = {
    { "{containers: [{name: a}]}", 2, 0, 0 },
    { "{containers: [{name: a}], overhead: " BOTH("250m", "64Mi") "}", 2, 0, 0 },
    { "{containers: [{name: a, " LIMITS("500m", "64Mi") "}, {name: b, " LIMITS("250m", "64Mi") "}]}", 768, 75000,
      134217728 },
    { "{containers: [{name: a, " LIMITS("500m", "64Mi") "}], overhead: " BOTH("250m", "64Mi") "}", 768, 75000,
      134217728 },
    { "{containers: [{name: a, " LIMITS("500m", "64Mi") "}, {name: b, resources: {requests: {cpu: 250m}}}]}", 768, 0,
      0 },
    { "{initContainers: [{name: i, " LIMITS("1000m", "32Mi") "}], containers: [{name: a, " LIMITS("500m", "64Mi") "}]}",
      1024, 100000, 67108864 },
    { "{initContainers: [{name: s, restartPolicy: Always, " LIMITS("250m", "32Mi") "}, {name: i, " LIMITS(
          "1000m", "32Mi") "}], containers: [{name: a, " LIMITS("500m", "64Mi") "}]}",
      1280, 125000, 100663296 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = g_strdup_printf("{metadata: {uid: u}, spec: %s}", rows[i].spec);
    g_autoptr(json_t) pod = yaml(text);
    ContainerLimits limits = resources_pod_limits(pod);
    g_test_message("%s", rows[i].spec);
    g_assert_cmpint(limits.cpu_shares, ==, rows[i].shares);
    g_assert_cmpint(limits.cpu_quota_us, ==, rows[i].quota);
    g_assert_cmpint(limits.memory_bytes, ==, rows[i].memory);
  }
}

static void assert_file(const char *root, const char *name, const char *wanted)
{
  g_autofree char *path = g_build_filename(root, name, NULL), *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_assert_cmpstr(text, ==, wanted);
}

/* The words of both versions of control groups, in folders that look like them. */
static void test_pod_limits(void)
{
  static const char *const names[] = { "cpu,cpuacct/pod/cpu.shares",
                                       "cpu,cpuacct/pod/cpu.cfs_period_us",
                                       "cpu,cpuacct/pod/cpu.cfs_quota_us",
                                       "memory/pod/memory.limit_in_bytes",
                                       "pod/cpu.weight",
                                       "pod/cpu.max",
                                       "pod/memory.max" };
  const ContainerLimits limits = {
    .cpu_shares = 1024, .cpu_quota_us = 50000, .cpu_period_us = 100000, .memory_bytes = 67108864
  };
  g_autofree char *root = g_dir_make_tmp("cgroup-XXXXXX", NULL);
  g_autofree char *mark = g_build_filename(root, "cgroup.controllers", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = g_build_filename(root, names[i], NULL), *folder = g_path_get_dirname(path);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
  }
  pod_limits_write(root, "/pod", &limits);
  assert_file(root, names[0], "1024");
  assert_file(root, names[1], "100000");
  assert_file(root, names[2], "50000");
  assert_file(root, names[3], "67108864");
  assert_file(root, names[4], "");
  g_assert_true(g_file_set_contents(mark, "", 0, NULL));
  pod_limits_write(root, "/pod", &limits);
  assert_file(root, names[4], "39");
  assert_file(root, names[5], "50000 100000");
  assert_file(root, names[6], "67108864");
  file_remove_tree(root, NULL);
}

static char *read_log(const char *path, const LogOptions *options)
{
  g_autoptr(GError) error = NULL;
  GString *text = g_string_new(NULL);
  file_autofd int fd = log_reader_open(path, options, NULL, NULL, NULL, &error);
  char buffer[64];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0)
    g_string_append_len(text, buffer, n);
  return g_string_free(text, FALSE);
}

static void test_logs(void)
{
  static const char log[] = "2026-11-23T10:00:00.000000001+00:00 stdout F one\n"
                            "2026-11-23T10:00:01.000000001+00:00 stdout P tw\n"
                            "2026-11-23T10:00:01.000000002+00:00 stdout F o\n"
                            "torn line\n"
                            "2026-11-23T10:00:02.000000001+00:00 stderr F \n"
                            "2026-11-23T10:00:03.000000001+00:00 stderr F three words here\n";
  static const struct {
    LogOptions options;
    const char *text;
  } rows[] = {
    { { .tail_lines = -1, .limit_bytes = -1, .since_us = -1 }, "one\ntwo\n\nthree words here\n" },
    { { .tail_lines = 1, .limit_bytes = -1, .since_us = -1 }, "three words here\n" },
    { { .tail_lines = 0, .limit_bytes = -1, .since_us = -1 }, "" },
    { { .tail_lines = 100, .limit_bytes = 5, .since_us = -1 }, "one\nt" },
    { { .tail_lines = -1, .limit_bytes = -1, .since_us = 1795428002000000 }, "\nthree words here\n" },
    { { .tail_lines = 1, .limit_bytes = -1, .since_us = -1, .timestamps = true },
      "2026-11-23T10:00:03.000000001Z three words here\n" },
  };
  g_autofree char *path = NULL;
  close(g_file_open_tmp("log-XXXXXX", &path, NULL));
  g_assert_true(g_file_set_contents(path, log, -1, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = read_log(path, &rows[i].options);
    g_assert_cmpstr(text, ==, rows[i].text);
  }
  g_autofree char *tail = log_reader_tail(path, 80, 5);
  g_assert_cmpstr(tail, ==, "here\n");
  g_unlink(path);
}

static bool is_set(void *data)
{
  return g_atomic_int_get((gint *)data);
}

/* "one\n", in however many pieces it comes. */
static void read_one(int fd)
{
  char buffer[4];
  for (size_t got = 0; got < sizeof buffer;) {
    ssize_t n = read(fd, buffer + got, sizeof buffer - got);
    g_assert_cmpint(n, >, 0);
    got += (size_t)n;
  }
  g_assert_cmpint(memcmp(buffer, "one\n", sizeof buffer), ==, 0);
}

static void test_log_follow(void)
{
  static gint alive = 1;
  LogOptions options = { .follow = true, .tail_lines = -1, .limit_bytes = -1, .since_us = -1 };
  g_autofree char *dir = g_dir_make_tmp("follow-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(dir, "0.log", NULL);
  file_autofd int fd = log_reader_open(path, &options, is_set, &alive, NULL, NULL);
  char buffer[16];
  g_autofree char *line = g_strdup("2026-11-23T10:00:00.0+00:00 stdout F one\n");
  FILE *log = g_fopen(path, "ae");
  fputs(line, log);
  fflush(log);
  read_one(fd);
  fputs(line, log);
  fclose(log);
  read_one(fd);
  g_atomic_int_set(&alive, 0);
  g_assert_cmpint(read(fd, buffer, sizeof buffer), ==, 0);
  file_remove_tree(dir, NULL);
}

static GPtrArray *files(const char *a, const char *b)
{
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)atomic_file_free);
  const char *contents[] = { a, b }, *names[] = { "a", "sub/b" };
  for (gsize i = 0; i < 2; i++)
    if (contents[i]) {
      g_autoptr(GBytes) bytes = g_bytes_new_static(contents[i], strlen(contents[i]));
      g_ptr_array_add(list, atomic_file_new(names[i], bytes, 0640));
    }
  return list;
}

static void test_atomic_dir(void)
{
  g_autofree char *dir = g_dir_make_tmp("atomic-XXXXXX", NULL);
  g_autofree char *data = g_build_filename(dir, "..data", NULL);
  g_autofree char *a = g_build_filename(dir, "a", NULL);
  g_autofree char *b = g_build_filename(dir, "sub", "b", NULL);
  g_autoptr(GPtrArray) first = files("1", "2");
  g_autoptr(GPtrArray) second = files("3", NULL);
  g_autofree char *text = NULL;
  g_assert_true(atomic_dir_write(dir, first, (gid_t)-1, NULL));
  g_assert_true(g_file_get_contents(b, &text, NULL, NULL));
  g_assert_cmpstr(text, ==, "2");
  g_autofree char *stamp = g_file_read_link(data, NULL);
  g_assert_true(atomic_dir_write(dir, first, (gid_t)-1, NULL));
  g_autofree char *same = g_file_read_link(data, NULL);
  g_assert_cmpstr(stamp, ==, same);
  g_assert_true(atomic_dir_write(dir, second, (gid_t)-1, NULL));
  g_free(text);
  g_assert_true(g_file_get_contents(a, &text, NULL, NULL));
  g_assert_cmpstr(text, ==, "3");
  g_assert_false(g_file_test(b, G_FILE_TEST_EXISTS));
  g_autofree char *old = g_build_filename(dir, stamp, NULL);
  g_assert_false(g_file_test(old, G_FILE_TEST_EXISTS));
  g_autoptr(GPtrArray) bad = g_ptr_array_new_with_free_func((GDestroyNotify)atomic_file_free);
  g_autoptr(GBytes) bytes = g_bytes_new_static("x", 1);
  g_ptr_array_add(bad, atomic_file_new("x/../../out", bytes, 0644));
  g_assert_false(atomic_dir_write(dir, bad, (gid_t)-1, NULL));
  file_remove_tree(dir, NULL);
}

static void test_host_path(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *root = g_dir_make_tmp("host-XXXXXX", NULL);
  g_autofree char *file = g_build_filename(root, "f", NULL);
  g_autofree char *missing = g_build_filename(root, "none", NULL);
  g_autofree char *made = host_path_prepare(file, "FileOrCreate", NULL);
  g_assert_true(g_file_test(file, G_FILE_TEST_IS_REGULAR));
  g_assert_null(host_path_prepare(file, "Directory", &error));
  g_autofree char *message = g_strdup_printf("hostPath type check failed: %s is not a directory", file);
  g_assert_cmpstr(error->message, ==, message);
  g_assert_null(host_path_prepare(missing, "Directory", NULL));
  g_assert_null(host_path_prepare("relative", "", NULL));
  file_remove_tree(root, NULL);
}

/* A secret whose KEY is the base64 of TEXT. */
static json_t *registry_secret(const char *key, const char *text)
{
  g_autofree char *packed = g_base64_encode((const guchar *)text, strlen(text));
  return json_pack("{s:{s:s}}", "data", key, packed);
}

/* "USER:PASSWORD USER:PASSWORD…" that the pod shows for REFERENCE. */
static char *shown(const ClusterView *view, const json_t *pod, const char *reference)
{
  g_autoptr(json_t) found = pull_secrets_find(view, pod, reference);
  g_autoptr(GString) text = g_string_new(NULL);
  size_t i;
  json_t *item;
  json_array_foreach (found, i, item)
    g_string_append_printf(text, "%s%s:%s", i ? " " : "", json_str(item, "username", "?"),
                           json_str(item, "password", json_str(item, "identitytoken", "?")));
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static void test_pull_secrets(void)
{
  static const struct {
    const char *reference, *shown;
  } cases[] = {
    { "nginx", "u:p" },                                  /* by docker.io's old address */
    { "docker.io/me/app:1", "u:p" },                     /* the same */
    { "r.example.com:5000/a/b", "deep:4 host:3 old:2" }, /* the longer path first, then by the secrets' order */
    { "r.example.com:5000/c", "host:3 old:2" },
    { "r.example.com/a/b", "any:5" }, /* another port; "*" */
    { "deep.r.example.com/a", "" },   /* a "*" is one part */
    { "token.io/a", "?:secret" },
    { "other.io/a/b:1", "" },
    { "Not A Name", "" },
  };
  g_autoptr(json_t) cluster = json_pack(
      "{s:{s:o, s:o, s:o, s:{}}}", "secrets", "new",
      registry_secret(".dockerconfigjson", "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dTpw\"},"
                                           "\"r.example.com:5000\":{\"username\":\"host\",\"password\":\"3\"},"
                                           "\"r.example.com:5000/a\":{\"username\":\"deep\",\"password\":\"4\"},"
                                           "\"token.io\":{\"identitytoken\":\"secret\"}}}"),
      "legacy",
      registry_secret(".dockercfg", "{\"http://r.example.com:5000/v2/\":{\"username\":\"old\","
                                    "\"password\":\"2\"},\"*.example.com\":{\"auth\":\"YW55OjU=\"}}"),
      "damaged", registry_secret(".dockerconfigjson", "{\"auths\":[1]}"), "opaque");
  g_autoptr(json_t) pod = yaml("{metadata: {namespace: a}, spec: {imagePullSecrets: [{name: new}, {name: legacy},"
                               " {name: damaged}, {name: opaque}, {name: missing}]}}");
  ClusterView view = { .data = cluster, .object = view_object, .services = view_services };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text = shown(&view, pod, cases[i].reference);
    g_assert_cmpstr(text, ==, cases[i].shown);
  }
}

static ContainerStatus *ended(const char *name, unsigned attempt, int code)
{
  ContainerStatus *status = g_new0(ContainerStatus, 1);
  *status = (ContainerStatus){ .id = g_strdup_printf("%s-%u", name, attempt),
                               .sandbox_id = g_strdup("s"),
                               .name = g_strdup(name),
                               .attempt = attempt,
                               .state = CONTAINER_EXITED,
                               .exit_code = code,
                               .oom_killed = code == 137 };
  return status;
}

/* What clients are told an image is: its digest under the name that was asked for, if there is one. */
static void test_image_ref(void)
{
  char *digests[] = { (char[]){ "docker.io/library/busybox-more@sha256:1" },
                      (char[]){ "docker.io/library/busybox@sha256:2" }, (char[]){ "quay.io/busybox@sha256:3" }, NULL };
  char *none[] = { NULL };
  ImageStatus image = { .id = (char[]){ "sha256:0" }, .repo_digests = digests };
  g_assert_cmpstr(image_status_ref(&image, "busybox:1.36"), ==, digests[1]);
  g_assert_cmpstr(image_status_ref(&image, "quay.io/busybox"), ==, digests[2]);
  g_assert_cmpstr(image_status_ref(&image, "other:1"), ==, digests[0]);
  g_assert_cmpstr(image_status_ref(&image, "Not a name"), ==, digests[0]);
  image.repo_digests = none;
  g_assert_cmpstr(image_status_ref(&image, "busybox"), ==, image.id);
  image.repo_digests = NULL;
  g_assert_cmpstr(image_status_ref(&image, "busybox"), ==, image.id);
}

static void test_status(void)
{
  g_autoptr(json_t) pod = yaml("{metadata: {uid: u}, spec: {restartPolicy: Never, containers: [{name: a, image: i}]}, "
                               "status: {conditions: [{type: Foreign, status: 'True'}]}}");
  PodState state;
  pod_state_init(&state);
  state.host_ips.ip = "10.0.2.15";
  state.runtime_scheme = "crun";
  state.sandbox_id = g_strdup("s");
  pod_state_set_pod(&state, pod);
  g_assert_cmpstr(pod_status_phase(&state), ==, "Pending");
  g_autoptr(GPtrArray) containers = g_ptr_array_new();
  for (unsigned i = 0; i < 3; i++)
    g_ptr_array_add(containers, ended("a", i, 137));
  g_autoptr(GPtrArray) surplus = pod_state_observe(&state, containers);
  g_assert_cmpuint(surplus->len, ==, 1);
  g_assert_cmpuint(((ContainerStatus *)surplus->pdata[0])->attempt, ==, 0);
  g_assert_cmpstr(pod_status_phase(&state), ==, "Failed");
  g_autoptr(json_t) status = pod_status_build(&state, json_object_get(pod, "status"), 1000000);
  const json_t *container = json_array_get(json_object_get(status, "containerStatuses"), 0);
  g_assert_cmpint(json_int(container, "restartCount", -1), ==, 2);
  g_assert_cmpstr(json_str(json_at(container, "state", "terminated", NULL), "reason", ""), ==, "OOMKilled");
  g_assert_cmpstr(json_str(container, "containerID", ""), ==, "crun://a-2");
  g_assert_cmpuint(json_array_size(json_object_get(status, "conditions")), ==, 6);
  /* Nothing changed: the same status, the old times. */
  g_autoptr(json_t) again = pod_status_build(&state, status, 9000000);
  g_assert_true(json_equal(status, again));
  pod_state_clear(&state);
}

/* Both families' addresses; the node's for a pod with its network; and those of before for a pod that has ended. */
static void test_addresses(void)
{
  static const struct {
    const char *spec, *ip, *other, *old, *expected;
  } rows[] = {
    { "", "10.244.0.5", "fd00::5", "{}", "10.0.2.15 10.0.2.15,fec0::15 10.244.0.5 10.244.0.5,fd00::5" },
    { "", "10.244.0.5", NULL, "{}", "10.0.2.15 10.0.2.15,fec0::15 10.244.0.5 10.244.0.5" },
    { "hostNetwork: true", NULL, NULL, "{}", "10.0.2.15 10.0.2.15,fec0::15 10.0.2.15 10.0.2.15,fec0::15" },
    { "", NULL, NULL, "{podIP: 10.244.0.6, podIPs: [{ip: 10.244.0.6}, {ip: 'fd00::6'}]}",
      "10.0.2.15 10.0.2.15,fec0::15 10.244.0.6 10.244.0.6,fd00::6" },
    { "", NULL, NULL, "{}", "10.0.2.15 10.0.2.15,fec0::15  " },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = g_strdup_printf("{metadata: {uid: u}, spec: {%s}}", rows[i].spec);
    g_autoptr(json_t) pod = yaml(text), old = yaml(rows[i].old);
    PodState state;
    pod_state_init(&state);
    state.host_ips = (AddressPair){ "10.0.2.15", "fec0::15" };
    state.ip = g_strdup(rows[i].ip);
    state.other_ip = g_strdup(rows[i].other);
    pod_state_set_pod(&state, pod);
    g_autoptr(json_t) status = pod_status_build(&state, old, 1000000);
    g_autoptr(GString) shown = g_string_new(NULL);
    static const char *const members[][2] = { { "hostIP", "hostIPs" }, { "podIP", "podIPs" } };
    for (gsize k = 0; k < G_N_ELEMENTS(members); k++) {
      size_t n;
      json_t *item;
      g_string_append_printf(shown, "%s%s ", k > 0 ? " " : "", json_str(status, members[k][0], ""));
      json_array_foreach (json_object_get(status, members[k][1]), n, item)
        g_string_append_printf(shown, "%s%s", n > 0 ? "," : "", json_str(item, "ip", ""));
    }
    g_assert_cmpstr(shown->str, ==, rows[i].expected);
    pod_state_clear(&state);
  }
}

/* A container's last words: 4 KiB, and of many containers 12 KiB together. */
static void test_termination_messages(void)
{
  static const struct {
    unsigned containers;
    gsize length, shown;
  } rows[] = { { 1, 4096, 4096 }, { 1, 5000, 4096 }, { 3, 4096, 4096 }, { 6, 2048, 2048 }, { 6, 4096, 2048 } };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GString) text = g_string_new("{metadata: {uid: u}, spec: {restartPolicy: Never, containers: [");
    for (unsigned k = 0; k < rows[i].containers; k++)
      g_string_append_printf(text, "{name: c%u, image: i},", k);
    g_string_append(text, "]}}");
    g_autoptr(json_t) pod = yaml(text->str);
    PodState state;
    pod_state_init(&state);
    state.host_ips.ip = "10.0.2.15";
    state.runtime_scheme = "crun";
    state.sandbox_id = g_strdup("s");
    pod_state_set_pod(&state, pod);
    g_autoptr(GPtrArray) containers = g_ptr_array_new();
    g_ptr_array_add(containers, ended("c0", 0, 1));
    g_autoptr(GPtrArray) surplus = pod_state_observe(&state, containers);
    pod_state_record(&state, "c0")->current_message = g_strnfill(rows[i].length, 'm');
    g_autoptr(json_t) status = pod_status_build(&state, NULL, 1000000);
    const json_t *first = json_array_get(json_object_get(status, "containerStatuses"), 0);
    const char *message = json_str(json_at(first, "state", "terminated", NULL), "message", "");
    g_assert_cmpuint(strlen(message), ==, rows[i].shown);
    pod_state_clear(&state);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/parts/env-services", test_env_services);
  g_test_add_func("/parts/env-values", test_env_values);
  g_test_add_func("/parts/env-errors", test_env_errors);
  g_test_add_func("/parts/resolv-conf", test_resolv_conf);
  g_test_add_func("/parts/hosts", test_hosts);
  g_test_add_func("/parts/resources", test_resources);
  g_test_add_func("/parts/pod-resources", test_pod_resources);
  g_test_add_func("/parts/pod-limits", test_pod_limits);
  g_test_add_func("/parts/logs", test_logs);
  g_test_add_func("/parts/log-follow", test_log_follow);
  g_test_add_func("/parts/atomic-dir", test_atomic_dir);
  g_test_add_func("/parts/host-path", test_host_path);
  g_test_add_func("/parts/pull-secrets", test_pull_secrets);
  g_test_add_func("/parts/status", test_status);
  g_test_add_func("/parts/image-ref", test_image_ref);
  g_test_add_func("/parts/addresses", test_addresses);
  g_test_add_func("/parts/termination-messages", test_termination_messages);
  return g_test_run();
}
