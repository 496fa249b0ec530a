/* Ports of services on the host: real listeners, those of the container driver, and the events as the API takes them.
 */
#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../controllers/cluster.h"
#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/yaml.h"
#include "bootstrap/service_ports.h"
#include "driver/container_ports.h"

#define ADDRESS "127.77.200.1"
#define FIXED 8443

static PortServer *server;
static bool is_denied; /* what the kernel says to users of ports below 1024; root may */

static bool forward(const MachineSpec *spec, DriverPort port, GError **error)
{
  if (is_denied && port.host < 1024)
    return reason_set(error, REASON_DRIVER, "Cannot open the port %s:%u: Permission denied", spec->address, port.host);
  return port_server_open(server, port, error);
}

static bool unforward(const MachineSpec *spec, DriverPort port, GError **error)
{
  port_server_close(server, port);
  return true;
}

static const Driver driver = { .forward = forward, .unforward = unforward };
static const DriverPort fixed = { FIXED, FIXED, false };
static const MachineSpec spec = { .address = ADDRESS, .ports = &fixed, .n_ports = 1 };

typedef struct World {
  EventLoop *loop;
  ServicePorts *ports;
  GPtrArray *events; /* of json_t */
} World;

static void take_event(const json_t *event, void *data)
{
  g_ptr_array_add(data, json_deep_copy(event));
}

static void unref_json(void *value)
{
  json_decref(value);
}

static void set_up(World *world, gconstpointer unused)
{
  world->loop = event_loop_new(NULL);
  server = port_server_new(world->loop, ADDRESS);
  world->events = g_ptr_array_new_with_free_func(unref_json);
  world->ports = service_ports_new(&driver, &spec, take_event, world->events);
  is_denied = false;
}

static void tear_down(World *world, gconstpointer unused)
{
  service_ports_free(world->ports);
  port_server_free(server);
  event_loop_free(world->loop);
  g_ptr_array_unref(world->events);
}

static void note(World *world, const char *type, const char *yaml)
{
  g_autoptr(json_t) service = yaml_parse(yaml, strlen(yaml), NULL);
  g_assert_nonnull(service);
  service_ports_note(world->ports, type, service);
}

/* A socket that has the port on ADDRESS, -1 when somebody else does. The caller closes. */
static int take_port(int number)
{
  struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number) };
  file_autofd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(inet_pton(AF_INET, ADDRESS, &here.sin_addr), ==, 1);
  if (bind(fd, (struct sockaddr *)&here, sizeof here) != 0 || listen(fd, 1) != 0)
    return -1;
  int taken = fd;
  fd = -1;
  return taken;
}

static bool is_open(int number)
{
  file_autofd int fd = take_port(number);
  return fd < 0;
}

/* The last event, of how many. */
static void expect_event(World *world, unsigned count, const char *type, const char *reason, const char *text)
{
  g_assert_cmpuint(world->events->len, ==, count);
  const json_t *event = g_ptr_array_index(world->events, count - 1);
  g_assert_cmpstr(json_str(event, "type", ""), ==, type);
  g_assert_cmpstr(json_str(event, "reason", ""), ==, reason);
  g_assert_cmpstr(json_str(event, "message", ""), ==, text);
}

#define WEB                                                                                                            \
  "{metadata: {namespace: default, name: web, uid: u1}, spec: {type: LoadBalancer, ports: [{port: 8080, nodePort: "    \
  "30080, protocol: TCP}]}, status: {loadBalancer: {ingress: [{ip: " ADDRESS "}]}}}"

/* The node port of every service, and the own port of one that has the address. */
static void test_life(World *world, gconstpointer unused)
{
  note(world, "ADDED", "{metadata: {namespace: a, name: n}, spec: {ports: [{port: 81, nodePort: 30081}, {port: 82}]}}");
  note(world, "ADDED",
       "{metadata: {namespace: a, name: l}, spec: {type: LoadBalancer, ports: [{port: 8083, nodePort: 30083}]}}");
  note(world, "ADDED", WEB);
  g_assert_cmpint(service_ports_sync(world->ports, 0), ==, INT64_MAX);
  g_assert_true(is_open(30080) && is_open(8080) && is_open(30081) && is_open(30083));
  g_assert_false(is_open(8083));
  note(world, "DELETED", WEB);
  note(world, "MODIFIED", "{metadata: {namespace: a, name: n}, spec: {ports: [{port: 81, nodePort: 30084}]}}");
  service_ports_sync(world->ports, 0);
  g_assert_false(is_open(30080) || is_open(8080) || is_open(30081));
  g_assert_true(is_open(30084));
  g_assert_cmpuint(world->events->len, ==, 0);
}

#define TAKEN "The port " ADDRESS ":8080/tcp is taken on this host; it is tried again every 5 s"

/* A port another program has: the service's people are told once, it is tried again, and told when it is open. */
static void test_taken(World *world, gconstpointer unused)
{
  int other = take_port(8080);
  g_assert_cmpint(other, >=, 0);
  note(world, "ADDED", WEB);
  g_assert_cmpint(service_ports_sync(world->ports, 5), ==, 5 + SERVICE_PORTS_RETRY_US);
  g_assert_true(is_open(30080));
  expect_event(world, 1, "Warning", "HostPortNotOpened", TAKEN);
  int64_t later_us = 5 + SERVICE_PORTS_RETRY_US;
  g_assert_cmpint(service_ports_sync(world->ports, later_us), ==, later_us + SERVICE_PORTS_RETRY_US);
  g_assert_cmpuint(world->events->len, ==, 1);
  service_ports_sync(world->ports, 5 + SERVICE_PORTS_TELL_AGAIN_US); /* before the first is forgotten */
  expect_event(world, 2, "Warning", "HostPortNotOpened", TAKEN);
  close(other);
  g_assert_cmpint(service_ports_sync(world->ports, 6 + SERVICE_PORTS_TELL_AGAIN_US), ==, INT64_MAX);
  expect_event(world, 3, "Normal", "HostPortOpened", "The port " ADDRESS ":8080/tcp is open now");
  g_assert_true(is_open(8080));
}

/* A service that goes takes its failures along; one that comes later is told of the same one. */
static void test_others(World *world, gconstpointer unused)
{
  file_autofd int other = take_port(8080);
  note(world, "ADDED", WEB);
  service_ports_sync(world->ports, 0);
  note(world, "DELETED", WEB);
  g_assert_cmpint(service_ports_sync(world->ports, 1), ==, INT64_MAX);
  g_assert_cmpuint(world->events->len, ==, 1);
  g_autofree char *second = g_strdup(WEB);
  memcpy(strstr(second, "u1"), "u2", 2);
  note(world, "ADDED", second);
  service_ports_sync(world->ports, 2);
  expect_event(world, 2, "Warning", "HostPortNotOpened", TAKEN);
}

/* The machine's own ports are not touched, and a port nobody may open says what would help. */
static void test_not_permitted(World *world, gconstpointer unused)
{
  is_denied = true;
  note(world, "ADDED",
       "{metadata: {namespace: default, name: web, uid: u1}, spec: {type: LoadBalancer, ports: [{port: 80, nodePort: "
       "30080}, {port: 8443, nodePort: 30443}]}, status: {loadBalancer: {ingress: [{ip: " ADDRESS "}]}}}");
  service_ports_sync(world->ports, 0);
  expect_event(world, 1, "Warning", "HostPortNotOpened",
               "Cannot open the port " ADDRESS ":80: Permission denied (ports below 1024 need a permission: sysctl "
               "net.ipv4.ip_unprivileged_port_start); it is tried again every 5 s");
  g_assert_false(is_open(FIXED));
}

/* What is told is an event as the API takes it. */
static void test_stored(World *world, gconstpointer unused)
{
  file_autofd int other = take_port(8080);
  note(world, "ADDED", WEB);
  service_ports_sync(world->ports, 0);
  g_autoptr(Cluster) cluster = cluster_new();
  g_autofree char *text = json_dumps(g_ptr_array_index(world->events, 0), 0);
  cluster_create(cluster, "v1", "events", true, text);
  g_assert_true(cluster_has_event(cluster, "web", "HostPortNotOpened", TAKEN));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL); /* failures warn */
  g_test_add("/service-ports/life", World, NULL, set_up, test_life, tear_down);
  g_test_add("/service-ports/taken", World, NULL, set_up, test_taken, tear_down);
  g_test_add("/service-ports/others", World, NULL, set_up, test_others, tear_down);
  g_test_add("/service-ports/not-permitted", World, NULL, set_up, test_not_permitted, tear_down);
  g_test_add("/service-ports/stored", World, NULL, set_up, test_stored, tear_down);
  return g_test_run();
}
