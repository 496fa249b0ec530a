/*
 * What services and policies cost the node's packet rules, in a network namespace of its own: a change of one endpoint
 * or label among many, and the first packet of a connection. Prints "NAME VALUE" lines: seconds, or bytes.
 */
#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "clusterd/proxy/nft.h"
#include "clusterd/proxy/ruleset.h"

#define POD_RANGE "10.244.0.0/16"
#define ENDPOINTS 3 /* of each service */
#define POLICIES 500
#define PODS 200 /* that policies speak of */
#define CHANGES 9
#define FLOWS 400

typedef struct Objects {
  GPtrArray *services, *slices, *policies, *namespaces, *pods; /* json_t* */
} Objects;

static double now(void)
{
  return (double)g_get_monotonic_time() / G_USEC_PER_SEC;
}

static json_t *make_service(unsigned number)
{
  g_autofree char *name = g_strdup_printf("service-%u", number);
  g_autofree char *ip = g_strdup_printf("10.96.%u.%u", number / 250, number % 250 + 1);
  return json_pack("{s:{s:s, s:s}, s:{s:s, s:[s], s:s, s:[{s:i, s:s}]}}", "metadata", "namespace", "default", "name",
                   name, "spec", "clusterIP", ip, "clusterIPs", ip, "type", "ClusterIP", "ports", "port", 80,
                   "protocol", "UDP");
}

/* The slice of a service; its last endpoint's address ends with LAST. */
static json_t *make_slice(unsigned number, unsigned last)
{
  g_autofree char *service = g_strdup_printf("service-%u", number);
  json_t *endpoints = json_array();
  for (unsigned i = 0; i < ENDPOINTS; i++) {
    g_autofree char *ip =
        g_strdup_printf("10.244.%u.%u", number % 250, i + 1 < ENDPOINTS ? number / 250 * ENDPOINTS + i + 1 : last);
    json_array_append_new(
        endpoints, json_pack("{s:[s], s:s, s:{s:b}}", "addresses", ip, "nodeName", "n1", "conditions", "ready", 1));
  }
  return json_pack("{s:{s:s, s:s, s:{s:s}}, s:s, s:[{s:s, s:i, s:s}], s:o}", "metadata", "namespace", "default", "name",
                   service, "labels", "kubernetes.io/service-name", service, "addressType", "IPv4", "ports", "name", "",
                   "port", 8080, "protocol", "UDP", "endpoints", endpoints);
}

static json_t *make_policy(unsigned number)
{
  g_autofree char *name = g_strdup_printf("policy-%u", number);
  g_autofree char *app = g_strdup_printf("app-%u", number % PODS);
  g_autofree char *friend = g_strdup_printf("app-%u", (number * 7 + 1) % PODS);
  return json_pack("{s:{s:s, s:s}, s:{s:{s:{s:s}}, s:[s], s:[{s:[{s:{s:{s:s}}}], s:[{s:i}]}]}}", "metadata",
                   "namespace", "default", "name", name, "spec", "podSelector", "matchLabels", "app", app,
                   "policyTypes", "Ingress", "ingress", "from", "podSelector", "matchLabels", "app", friend, "ports",
                   "port", 80);
}

static json_t *make_pod(unsigned number, unsigned app_number)
{
  g_autofree char *name = g_strdup_printf("pod-%u", number);
  g_autofree char *app = g_strdup_printf("app-%u", app_number);
  g_autofree char *ip = g_strdup_printf("10.244.255.%u", number + 1);
  return json_pack("{s:{s:s, s:s, s:s, s:{s:s}}, s:{s:s}, s:{s:s, s:s}}", "metadata", "namespace", "default", "name",
                   name, "creationTimestamp", "2024-01-01T00:00:00Z", "labels", "app", app, "spec", "nodeName", "n1",
                   "status", "phase", "Running", "podIP", ip);
}

static GPtrArray *list(void)
{
  return g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
}

static void objects_make(Objects *objects, unsigned n_services, unsigned n_policies)
{
  *objects = (Objects){ list(), list(), list(), list(), list() };
  for (unsigned i = 0; i < n_services; i++) {
    g_ptr_array_add(objects->services, make_service(i));
    g_ptr_array_add(objects->slices, make_slice(i, 200));
  }
  for (unsigned i = 0; i < n_policies; i++)
    g_ptr_array_add(objects->policies, make_policy(i));
  for (unsigned i = 0; i < PODS; i++)
    g_ptr_array_add(objects->pods, make_pod(i, i));
  g_ptr_array_add(objects->namespaces, json_pack("{s:{s:s}}", "metadata", "name", "default"));
}

static void objects_clear(Objects *objects)
{
  GPtrArray *all[] = { objects->services, objects->slices, objects->policies, objects->namespaces, objects->pods };
  for (gsize i = 0; i < G_N_ELEMENTS(all); i++)
    g_ptr_array_unref(all[i]);
}

static Ruleset *build(const Objects *objects)
{
  g_autoptr(GPtrArray) none = g_ptr_array_new();
  RulesetInput input = { .services = objects->services,
                         .slices = objects->slices,
                         .pods = none,
                         .policies = objects->policies,
                         .namespaces = objects->namespaces,
                         .all_pods = objects->pods,
                         .node_name = "n1",
                         .pod_ranges = { POD_RANGE, NULL } };
  return ruleset_build(&input);
}

static void must(bool done, GError *error)
{
  if (done)
    return;
  fprintf(stderr, "services: %s\n", error ? error->message : "failed");
  exit(1);
}

static void give(const char *text)
{
  g_autoptr(GError) error = NULL;
  must(nft_apply(text, &error), error);
}

static int compare_numbers(const void *a, const void *b)
{
  double left = *(const double *)a, right = *(const double *)b;
  return left < right ? -1 : left > right;
}

static double median(double *values, size_t count)
{
  qsort(values, count, sizeof *values, compare_numbers);
  return values[count / 2];
}

static void set_element(GPtrArray *array, guint index, json_t *value)
{
  json_decref(array->pdata[index]);
  array->pdata[index] = value;
}

/* One thing changes, again and again: the medians of what it takes. *APPLIED is what the kernel has. */
static void measure_changes(const char *name, Objects *objects, Ruleset **applied, bool policies)
{
  double building[CHANGES], applying[CHANGES];
  gsize bytes = 0;
  for (unsigned i = 0; i < CHANGES; i++) {
    if (policies)
      set_element(objects->pods, 5, make_pod(5, i % 2 ? 5 : 6));
    else
      set_element(objects->slices, objects->slices->len - 1, make_slice(objects->slices->len - 1, 201 + i));
    double begun = now();
    Ruleset *next = build(objects);
    g_autofree char *text = ruleset_change(*applied, next);
    building[i] = now() - begun;
    bytes = strlen(text);
    begun = now();
    give(text);
    applying[i] = now() - begun;
    ruleset_free(*applied);
    *applied = next;
  }
  printf("%s-build %.6f\n%s-apply %.6f\n%s-bytes %zu\n", name, median(building, CHANGES), name,
         median(applying, CHANGES), name, bytes);
}

/* From sending to receiving of a connection's first datagram, to the last of N_SERVICES. */
static void measure_first_packet(const char *name, unsigned n_services)
{
  double taken[FLOWS];
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(8080) },
                     to = { .sin_family = AF_INET, .sin_port = htons(80) };
  g_autofree char *ip = g_strdup_printf("10.96.%u.%u", (n_services - 1) / 250, (n_services - 1) % 250 + 1);
  struct timeval patience = { .tv_sec = 5 };
  int server = socket(AF_INET, SOCK_DGRAM, 0);
  char byte = 'x';
  inet_pton(AF_INET, ip, &to.sin_addr);
  must(bind(server, (struct sockaddr *)&at, sizeof at) == 0, NULL);
  setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  for (unsigned i = 0; i < FLOWS; i++) {
    int client = socket(AF_INET, SOCK_DGRAM, 0);
    double begun = now();
    must(sendto(client, &byte, 1, 0, (struct sockaddr *)&to, sizeof to) == 1, NULL);
    must(recv(server, &byte, 1, 0) == 1, NULL);
    taken[i] = now() - begun;
    close(client);
  }
  close(server);
  printf("%s %.7f\n", name, median(taken, FLOWS));
}

static void measure(unsigned n_services, unsigned n_policies)
{
  Objects objects;
  objects_make(&objects, n_services, n_policies);
  g_autofree char *services = g_strdup_printf("services-%u", n_services);
  g_autofree char *policies = g_strdup_printf("policies-%u", n_policies);
  g_autofree char *packet = g_strdup_printf("first-packet-%u", n_services);
  double begun = now();
  Ruleset *applied = build(&objects);
  g_autofree char *text = ruleset_change(NULL, applied);
  give(text);
  printf("%s-whole %.6f\n%s-whole-bytes %zu\n", n_policies ? policies : services, now() - begun,
         n_policies ? policies : services, strlen(text));
  if (n_policies) {
    measure_changes(policies, &objects, &applied, true);
  } else {
    measure_first_packet(packet, n_services);
    measure_changes(services, &objects, &applied, false);
  }
  ruleset_free(applied);
  objects_clear(&objects);
}

int main(void)
{
  if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
    perror("services: unshare");
    return 77;
  }
  /* every pod is this machine itself, and everything else is behind it */
  if (system("ip link set lo up && ip addr add 10.244.0.1/16 dev lo && ip route add default dev lo") != 0)
    return 1;
  measure(1, 0);
  measure(1000, 0);
  measure(1, POLICIES);
  return 0;
}
