#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/yaml.h"
#include "cluster.h"
#include "clusterd/controllers/network/endpoint_sets.h"
#include "clusterd/controllers/network/trigger_times.h"
#include "endpoint_counts.h"

static void test_endpoints(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true,
                 "{metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: http, port: 80, protocol: TCP, "
                 "targetPort: http}]}}");
  cluster_wait(cluster_exists(cluster, "v1", "endpoints", "web"));
  cluster_hold_kubelet(cluster, true);
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(cluster_count_pods(cluster, "web") == 2);
  /* A pod without an address has no endpoint. */
  g_assert_cmpuint(endpoints_count_addresses(cluster, "web", "addresses"), ==, 0);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(endpoints_count_addresses(cluster, "web", "addresses") == 2);
  cluster_wait(endpoints_count_sliced(cluster, "web", true) == 2);
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "endpoints", true, "web");
  const json_t *port =
      json_array_get(json_object_get(json_array_get(json_object_get(value, "subsets"), 0), "ports"), 0);
  g_assert_cmpint(json_int(port, "port", 0), ==, 8080);
  g_assert_cmpstr(json_str(port, "name", ""), ==, "http");
  /* An ending pod leaves Endpoints at once and stays in its slice, not ready. */
  cluster_hold_kubelet(cluster, true);
  cluster_patch(cluster, "apps/v1", "deployments", "web", "{spec: {replicas: 1}}");
  cluster_wait(endpoints_count_addresses(cluster, "web", "addresses") == 1);
  cluster_wait(endpoints_count_sliced(cluster, "web", true) == 1 && endpoints_count_sliced(cluster, "web", false) == 1);
  cluster_hold_kubelet(cluster, false);
  cluster_wait(endpoints_count_sliced(cluster, "web", false) == 0);
  cluster_delete(cluster, "v1", "services", true, "web", NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "endpoints", "web"));
  cluster_wait(cluster_count(cluster, "discovery.k8s.io/v1", "endpointslices", NULL) == 0);
}

/* --- what an Endpoints is made of --------------------------------------------------------------------------------- */

/* A pod's value for the pure functions; MORE_SPEC and MORE_STATUS begin with a comma, or are empty. */
static Object *make_pod(const char *name, const char *ip, bool ready, const char *more_spec, const char *more_status)
{
  static ApiScheme *scheme;
  if (!scheme)
    scheme = api_scheme_new();
  g_autofree char *yaml = g_strdup_printf("{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: default, uid: "
                                          "u-%s}, spec: {nodeName: node-1%s}, status: "
                                          "{podIP: '%s', conditions: [{type: Ready, status: '%s'}]%s}}",
                                          name, name, more_spec, ip, ready ? "True" : "False", more_status);
  json_t *value = yaml_parse(yaml, strlen(yaml), NULL);
  g_assert_nonnull(value);
  return object_new(api_scheme_resource(scheme, "", "v1", "pods"), value);
}

static void unref_object(void *object)
{
  object_unref(object);
}

static json_t *make_service(const char *spec)
{
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: web, namespace: default}, spec: {%s}}", spec);
  json_t *value = yaml_parse(yaml, strlen(yaml), NULL);
  g_assert_nonnull(value);
  return value;
}

/* The subsets as text: "ready addresses|unready ones|ports; …". */
static char *subsets_text(const char *service_spec, GPtrArray *pods)
{
  bool truncated;
  g_autoptr(json_t) service = make_service(service_spec), subsets = endpoint_sets_subsets(service, pods, &truncated);
  g_autoptr(GString) text = g_string_new(NULL);
  static const char *const lists[] = { "addresses", "notReadyAddresses", "ports" };
  size_t i, k, n;
  json_t *subset, *item;
  json_array_foreach (subsets, i, subset) {
    for (k = 0; k < G_N_ELEMENTS(lists); k++) {
      json_array_foreach (json_object_get(subset, lists[k]), n, item) {
        if (k < 2)
          g_string_append_printf(text, "%s%s%s ", json_str(item, "ip", ""), *json_str(item, "hostname", "") ? "=" : "",
                                 json_str(item, "hostname", ""));
        else
          g_string_append_printf(text, "%s:%d ", json_str(item, "name", ""), (int)json_int(item, "port", 0));
      }
      g_string_append(text, k < 2 ? "| " : "; ");
    }
  }
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static void assert_subsets(const char *service_spec, GPtrArray *pods, const char *expected)
{
  g_autofree char *text = subsets_text(service_spec, pods);
  g_assert_cmpstr(text, ==, expected);
}

static void test_subsets(void)
{
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  const char *port = "ports: [{name: http, port: 80, targetPort: http}]";
  const char *eighty = ", containers: [{ports: [{name: http, containerPort: 80}]}]";
  g_ptr_array_add(pods, make_pod("a", "10.0.0.1", true, eighty, ""));
  g_ptr_array_add(pods, make_pod("b", "10.0.0.2", false, eighty, ""));
  assert_subsets(port, pods, "10.0.0.1 | 10.0.0.2 | http:80 ; ");
  assert_subsets("publishNotReadyAddresses: true, ports: [{name: http, port: 80, targetPort: http}]", pods,
                 "10.0.0.1 10.0.0.2 | | http:80 ; ");
  /* a named port is each pod's own number: another number, another subset; a pod without the name has none */
  g_ptr_array_add(pods,
                  make_pod("c", "10.0.0.3", true, ", containers: [{ports: [{name: http, containerPort: 90}]}]", ""));
  g_ptr_array_add(pods, make_pod("d", "10.0.0.4", true, ", containers: [{}]", ""));
  assert_subsets(port, pods, "10.0.0.1 | 10.0.0.2 | http:80 ; 10.0.0.3 | | http:90 ; ");
  /* ended pods and those without an address are none */
  g_ptr_array_add(pods, make_pod("e", "10.0.0.5", false, eighty, ", phase: Succeeded"));
  g_ptr_array_add(pods, make_pod("f", "10.0.0.6", false, eighty, ", phase: Failed"));
  g_ptr_array_add(pods, make_pod("g", "", true, eighty, ""));
  assert_subsets("ports: [{port: 8080}]", pods, "10.0.0.1 10.0.0.3 10.0.0.4 | 10.0.0.2 | :8080 ; ");
  /* equal addresses behind several ports are one subset */
  assert_subsets("ports: [{name: x, port: 1}, {name: y, port: 2}]", pods,
                 "10.0.0.1 10.0.0.3 10.0.0.4 | 10.0.0.2 | x:1 y:2 ; ");
  /* headless without ports: addresses alone */
  assert_subsets("clusterIP: None", pods, "10.0.0.1 10.0.0.3 10.0.0.4 | 10.0.0.2 | ; ");
}

/* A pod's hostname counts below the service that is its subdomain. */
static void test_hostname(void)
{
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  g_ptr_array_add(pods, make_pod("a", "10.0.0.1", true, ", hostname: db-0, subdomain: web", ""));
  g_ptr_array_add(pods, make_pod("b", "10.0.0.2", true, ", hostname: db-1, subdomain: other", ""));
  g_ptr_array_add(pods, make_pod("c", "10.0.0.3", true, ", subdomain: web", ""));
  assert_subsets("ports: [{port: 1}]", pods, "10.0.0.1=db-0 10.0.0.2 10.0.0.3 | | :1 ; ");
}

/* The family of an Endpoints is the service's first. */
static void test_family(void)
{
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  g_ptr_array_add(pods, make_pod("a", "10.0.0.1", true, "", ", podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]"));
  g_ptr_array_add(pods, make_pod("b", "10.0.0.2", true, "", ", podIPs: [{ip: 10.0.0.2}]"));
  assert_subsets("ipFamilies: [IPv4, IPv6], ports: [{port: 1}]", pods, "10.0.0.1 10.0.0.2 | | :1 ; ");
  assert_subsets("ipFamilies: [IPv6], ports: [{port: 1}]", pods, "fd00::1 | | :1 ; ");
}

/* At most 1000 addresses, and the ready ones first. */
static void test_capacity(void)
{
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func(unref_object);
  g_autoptr(json_t) service = make_service("ports: [{port: 1}]");
  bool truncated;
  for (int i = 0; i < ENDPOINTS_ADDRESSES_MAX; i++) {
    g_autofree char *name = g_strdup_printf("p-%04d", i), *ip = g_strdup_printf("10.0.%d.%d", i / 250, i % 250 + 1);
    g_ptr_array_add(pods, make_pod(name, ip, false, "", ""));
  }
  g_autoptr(json_t) full = endpoint_sets_subsets(service, pods, &truncated);
  g_assert_false(truncated);
  for (int i = 0; i < 3; i++) {
    g_autofree char *name = g_strdup_printf("ready-%d", i), *ip = g_strdup_printf("10.1.0.%d", i + 1);
    g_ptr_array_add(pods, make_pod(name, ip, true, "", ""));
  }
  g_autoptr(json_t) over = endpoint_sets_subsets(service, pods, &truncated);
  g_assert_true(truncated);
  const json_t *subset = json_array_get(over, 0);
  g_assert_cmpuint(json_array_size(json_object_get(subset, "addresses")), ==, 3);
  g_assert_cmpuint(json_array_size(json_object_get(subset, "notReadyAddresses")), ==, ENDPOINTS_ADDRESSES_MAX - 3);
}

/* --- what people see -----------------------------------------------------------------------------------------------
 */

static void test_metadata(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true,
                 "{metadata: {name: web, labels: {tier: front}}, spec: {clusterIP: None, selector: {app: web}, ports: "
                 "[{port: 80}]}}");
  cluster_create(
      cluster, "v1", "services", true,
      "{metadata: {name: away}, spec: {type: ExternalName, externalName: example.com, selector: {app: web}}}");
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  cluster_wait(endpoints_count_addresses(cluster, "web", "addresses") == 2);
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "endpoints", true, "web");
  const json_t *labels = json_at(value, "metadata", "labels", NULL);
  g_assert_cmpstr(json_str(labels, "tier", ""), ==, "front");
  g_assert_nonnull(json_object_get(labels, "service.kubernetes.io/headless"));
  g_assert_nonnull(json_at(value, "metadata", "annotations", TRIGGER_TIME_ANNOTATION, NULL));
  g_assert_null(json_at(value, "metadata", "annotations", "endpoints.kubernetes.io/over-capacity", NULL));
  /* labels follow the service, what others delete or change comes back */
  cluster_patch(cluster, "v1", "services", "web", "{metadata: {labels: {tier: back}}}");
  g_autoptr(json_t) relabelled = NULL;
  cluster_wait((json_decref(relabelled), relabelled = cluster_get(cluster, "v1", "endpoints", true, "web"),
                strcmp(json_str(json_at(relabelled, "metadata", "labels", NULL), "tier", ""), "back") == 0));
  cluster_delete(cluster, "v1", "endpoints", true, "web", NULL);
  cluster_wait(endpoints_count_addresses(cluster, "web", "addresses") == 2);
  cluster_patch(cluster, "v1", "endpoints", "web", "{subsets: null}");
  cluster_wait(endpoints_count_addresses(cluster, "web", "addresses") == 2);
  g_assert_false(cluster_exists(cluster, "v1", "endpoints", "away"));
}

static bool is_truncated(Cluster *cluster)
{
  g_autoptr(json_t) value = cluster_get(cluster, "v1", "endpoints", true, "web");
  return strcmp(json_str(json_at(value, "metadata", "annotations", NULL), "endpoints.kubernetes.io/over-capacity", ""),
                "truncated") == 0;
}

#define BIG_THREADS 32

static void add_big_pod(void *number, void *cluster)
{
  int i = GPOINTER_TO_INT(number) - 1;
  g_autofree char *name = g_strdup_printf("p-%04d", i);
  g_autofree char *pod = g_strdup_printf(
      "{metadata: {name: %s, labels: {app: web}}, spec: {nodeName: node-1, containers: [{name: c, image: i}]}}", name);
  g_autofree char *status = g_strdup_printf("{phase: Running, podIP: 10.0.%d.%d}", i / 250, i % 250 + 1);
  cluster_create(cluster, "v1", "pods", true, pod);
  cluster_set_status(cluster, "v1", "pods", name, status);
}

/* Endpoints that could not take all say so, as long as it is so. */
static void test_over_capacity(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_hold_kubelet(cluster, true);
  cluster_stop(cluster); /* so that all are there when the controllers look */
  cluster_create(cluster, "v1", "services", true,
                 "{metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}");
  GThreadPool *pool = g_thread_pool_new(add_big_pod, cluster, BIG_THREADS, FALSE, NULL); /* they share disk writes */
  for (int i = 0; i <= ENDPOINTS_ADDRESSES_MAX; i++)
    g_thread_pool_push(pool, GINT_TO_POINTER(i + 1), NULL);
  g_thread_pool_free(pool, FALSE, TRUE);
  cluster_resume(cluster);
  cluster_wait(is_truncated(cluster));
  g_assert_cmpuint(endpoints_count_addresses(cluster, "web", "notReadyAddresses"), ==, ENDPOINTS_ADDRESSES_MAX);
  cluster_set_status(cluster, "v1", "pods", "p-0000", "{phase: Failed}"); /* it has no address any more */
  cluster_wait(!is_truncated(cluster));
  g_assert_cmpuint(endpoints_count_addresses(cluster, "web", "notReadyAddresses"), ==, ENDPOINTS_ADDRESSES_MAX);
}

/* A pod that is not ready any more, and one whose labels no longer match. */
static void test_changes(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "v1", "services", true,
                 "{metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}");
  cluster_create(cluster, "v1", "pods", true,
                 "{metadata: {name: p, labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}");
  cluster_wait(endpoints_count_addresses(cluster, "web", "addresses") == 1);
  cluster_set_status(cluster, "v1", "pods", "p", "{conditions: [{type: Ready, status: 'False'}]}");
  cluster_wait(endpoints_count_addresses(cluster, "web", "notReadyAddresses") == 1);
  g_assert_cmpuint(endpoints_count_addresses(cluster, "web", "addresses"), ==, 0);
  cluster_patch(cluster, "v1", "services", "web", "{spec: {publishNotReadyAddresses: true}}");
  cluster_wait(endpoints_count_addresses(cluster, "web", "addresses") == 1);
  cluster_patch(cluster, "v1", "pods", "p", "{metadata: {labels: {app: other}}}");
  cluster_wait(endpoints_count_addresses(cluster, "web", "addresses") == 0);
  /* the service's selector goes: what was made stays as it is, people's from now on */
  cluster_patch(cluster, "v1", "services", "web", "{spec: {selector: {app: other}}}");
  cluster_wait(endpoints_count_addresses(cluster, "web", "addresses") == 1);
  cluster_patch(cluster, "v1", "services", "web", "{spec: {selector: null}}");
  cluster_patch(cluster, "v1", "pods", "p", "{metadata: {labels: {app: third}}}");
  cluster_stop(cluster);
  cluster_resume(cluster);
  cluster_create(cluster, "v1", "services", true,
                 "{metadata: {name: later}, spec: {selector: {app: third}, ports: [{port: 80}]}}");
  cluster_wait(endpoints_count_addresses(cluster, "later", "addresses") == 0 &&
               endpoints_count_addresses(cluster, "later", "notReadyAddresses") == 1);
  g_assert_cmpuint(endpoints_count_addresses(cluster, "web", "addresses"), ==, 1);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/endpoints/life", test_endpoints);
  g_test_add_func("/endpoints/subsets", test_subsets);
  g_test_add_func("/endpoints/hostname", test_hostname);
  g_test_add_func("/endpoints/family", test_family);
  g_test_add_func("/endpoints/capacity", test_capacity);
  g_test_add_func("/endpoints/metadata", test_metadata);
  g_test_add_func("/endpoints/over-capacity", test_over_capacity);
  g_test_add_func("/endpoints/changes", test_changes);
  return g_test_run();
}
