#include "clusterd/node/cri/cni_plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netlink/socket.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/sandbox/address_pool.h"
#include "clusterd/node/sandbox/network.h"

#define INPUT_MAX (1u << 20) /* bytes of a configuration */
#define ID_MAX 255           /* bytes of a container's id */
#define LOCK_TIMEOUT_MS 30000
#define VERSION_DEFAULT "0.4.0"

/* Codes of the specification. */
enum { CODE_VERSION = 1, CODE_ENVIRONMENT = 4, CODE_INPUT = 6, CODE_FAILED = 100 };

static const char *const versions[] = { "0.3.0", "0.3.1", "0.4.0", "1.0.0", NULL };

typedef struct Request {
  const char *command, *id, *namespace_path, *interface;
  json_t *config;
  const char *version;
} Request;

bool cni_plugin_named(const char *program)
{
  g_autofree char *name = g_path_get_basename(program);
  return g_str_equal(name, CNI_PODS) || g_str_equal(name, CNI_LOOPBACK);
}

static void print(json_t *value)
{
  g_autofree char *text = json_text(value);
  puts(text);
  json_decref(value);
}

static int fail(const Request *request, int code, const char *message)
{
  print(json_pack("{s:s, s:i, s:s}", "cniVersion", request->version, "code", code, "msg", message));
  return EXIT_FAILURE;
}

static json_t *read_input(void)
{
  g_autoptr(GByteArray) text = g_byte_array_new();
  guint8 block[4096];
  ssize_t got;
  while ((got = read(STDIN_FILENO, block, sizeof block)) > 0 && text->len <= INPUT_MAX)
    g_byte_array_append(text, block, (guint)got);
  return got == 0 && text->len <= INPUT_MAX ? json_parse((const char *)text->data, text->len, false, NULL) : NULL;
}

/* The file that says which address a sandbox has. Ids come from outside and become file names. */
static char *address_path(const Request *request)
{
  const char *folder = json_str(request->config, "addresses", NULL);
  bool good = folder && request->id && *request->id && strlen(request->id) <= ID_MAX && *request->id != '.' &&
              !strchr(request->id, '/');
  return good ? g_build_filename(folder, request->id, NULL) : NULL;
}

/* Marks what all sandboxes have. */
static void mark_taken(AddressPool *pool, const char *folder)
{
  g_autoptr(GDir) listing = g_dir_open(folder, 0, NULL);
  const char *name;
  while (listing && (name = g_dir_read_name(listing))) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *text = NULL;
    if (*name != '.' && g_file_get_contents(path, &text, NULL, NULL))
      address_pool_mark(pool, address_pool_number(pool, text));
  }
}

/* Takes addresses for the sandbox and writes down the first, which stands for all. */
static bool take_addresses(const Request *request, const char *path, PodAddresses *addresses, PodAddresses *gateways,
                           GError **error)
{
  g_autofree char *folder = g_path_get_dirname(path), *lock_path = g_strconcat(folder, ".lock", NULL);
  file_autofd int lock = file_lock(lock_path, LOCK_TIMEOUT_MS, error);
  g_autoptr(AddressPool) pool = lock >= 0 ? address_pool_new(json_str(request->config, "podCIDR", ""),
                                                             json_str(request->config, "state", ""), error)
                                          : NULL;
  if (!pool)
    return false;
  mark_taken(pool, folder);
  uint32_t number = address_pool_take(pool, error);
  if (number == 0)
    return false;
  address_pool_addresses(pool, number, addresses);
  address_pool_gateways(pool, gateways);
  g_autofree char *text = ip_address_text(&addresses->of[0]);
  return file_write_atomic(path, text, strlen(text), 0600, error);
}

static bool enter(const Request *request, GError **error)
{
  file_autofd int fd = open(request->namespace_path, O_RDONLY | O_CLOEXEC);
  return (fd >= 0 && setns(fd, CLONE_NEWNET) == 0) ||
         reason_set_errno(error, REASON_RUNTIME, errno, "cannot enter %s", request->namespace_path);
}

/* Moves this process into the sandbox's namespace, whose links it then makes. */
static bool attach(const Request *request, const PodAddresses *addresses, const PodAddresses *gateways, GError **error)
{
  g_autofree char *host_name = g_strdup_printf("pod%.10s", request->id);
  NetworkPort port = { .host_name = host_name, .addresses = *addresses, .gateways = *gateways };
  struct nl_sock *host = network_socket_open(error);
  bool good = host && enter(request, error) && network_attach(host, &port, error);
  if (host)
    nl_socket_free(host);
  return good;
}

/* What was made, in the form of the version that is spoken. */
static json_t *make_result(const Request *request, const PodAddresses *addresses, const PodAddresses *gateways)
{
  json_t *ips = json_array(), *routes = json_array();
  for (unsigned i = 0; i < addresses->count; i++) {
    bool is_v4 = addresses->of[i].family == IP_V4;
    g_autofree char *ip = ip_address_text(&addresses->of[i]), *gateway = ip_address_text(&gateways->of[i]);
    g_autofree char *wide = g_strdup_printf("%s/%u", ip, ip_family_bits(addresses->of[i].family));
    json_t *one = json_pack("{s:s, s:s, s:i}", "address", wide, "gateway", gateway, "interface", 0);
    if (g_str_has_prefix(request->version, "0."))
      json_object_set_new(one, "version", json_string(is_v4 ? "4" : "6"));
    json_array_append_new(ips, one);
    json_array_append_new(routes, json_pack("{s:s, s:s}", "dst", is_v4 ? "0.0.0.0/0" : "::/0", "gw", gateway));
  }
  return json_pack("{s:s, s:[{s:s, s:s}], s:o, s:o, s:{}}", "cniVersion", request->version, "interfaces", "name",
                   request->interface, "sandbox", request->namespace_path, "ips", ips, "routes", routes, "dns");
}

static int add_pod(const Request *request)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *path = address_path(request);
  PodAddresses addresses, gateways;
  if (!path || !request->namespace_path || g_strcmp0(request->interface, "eth0") != 0)
    return fail(request, CODE_ENVIRONMENT, "CNI_CONTAINERID, CNI_NETNS and CNI_IFNAME (eth0) must be given");
  if (!take_addresses(request, path, &addresses, &gateways, &error))
    return fail(request, CODE_FAILED, error->message);
  if (!attach(request, &addresses, &gateways, &error)) {
    unlink(path);
    return fail(request, CODE_FAILED, error->message);
  }
  print(make_result(request, &addresses, &gateways));
  return EXIT_SUCCESS;
}

/* The link goes with the namespace; what is left is the address. */
static int delete_pod(const Request *request)
{
  g_autofree char *path = address_path(request);
  if (path)
    unlink(path);
  return EXIT_SUCCESS;
}

static int check_pod(const Request *request)
{
  g_autofree char *path = address_path(request);
  return path && access(path, F_OK) == 0 ? EXIT_SUCCESS : fail(request, CODE_FAILED, "the sandbox has no address");
}

static bool bring_up_loopback(const Request *request, GError **error)
{
  struct ifreq change = { .ifr_name = "lo", .ifr_flags = IFF_UP };
  if (!enter(request, error))
    return false;
  file_autofd int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return (control >= 0 && ioctl(control, SIOCSIFFLAGS, &change) == 0) ||
         reason_set_errno(error, REASON_RUNTIME, errno, "cannot bring up lo");
}

static int add_loopback(const Request *request)
{
  g_autoptr(GError) error = NULL;
  if (!request->namespace_path)
    return fail(request, CODE_ENVIRONMENT, "CNI_NETNS must be given");
  if (!bring_up_loopback(request, &error))
    return fail(request, CODE_FAILED, error->message);
  json_t *one = json_pack("{s:s, s:i}", "address", "127.0.0.1/8", "interface", 0);
  if (g_str_has_prefix(request->version, "0."))
    json_object_set_new(one, "version", json_string("4"));
  print(json_pack("{s:s, s:[{s:s, s:s}], s:[o], s:{}}", "cniVersion", request->version, "interfaces", "name", "lo",
                  "sandbox", request->namespace_path, "ips", one, "dns"));
  return EXIT_SUCCESS;
}

static int say_version(const Request *request)
{
  json_t *list = json_array();
  for (const char *const *version = versions; *version; version++)
    json_array_append_new(list, json_string(*version));
  print(json_pack("{s:s, s:o}", "cniVersion", request->version, "supportedVersions", list));
  return EXIT_SUCCESS;
}

static int nothing_to_do(const Request *request)
{
  return EXIT_SUCCESS;
}

static const struct {
  const char *command;
  int (*pods)(const Request *request), (*loopback)(const Request *request);
} commands[] = { { "ADD", add_pod, add_loopback },
                 { "DEL", delete_pod, nothing_to_do },
                 { "CHECK", check_pod, nothing_to_do },
                 { "VERSION", say_version, say_version } };

int cni_plugin_main(const char *program)
{
  g_autofree char *name = g_path_get_basename(program);
  g_autoptr(json_t) config = read_input();
  Request request = { .command = g_getenv("CNI_COMMAND"),
                      .id = g_getenv("CNI_CONTAINERID"),
                      .namespace_path = g_getenv("CNI_NETNS"),
                      .interface = g_getenv("CNI_IFNAME"),
                      .config = config,
                      .version = json_str(config, "cniVersion", VERSION_DEFAULT) };
  if (!json_is_object(config))
    return fail(&request, CODE_INPUT, "the configuration is no JSON object");
  bool is_version = g_strcmp0(request.command, "VERSION") == 0;
  if (!is_version && !g_strv_contains(versions, request.version)) {
    request.version = VERSION_DEFAULT;
    return fail(&request, CODE_VERSION, "unsupported CNI version");
  }
  for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
    if (g_strcmp0(request.command, commands[i].command) == 0)
      return g_str_equal(name, CNI_PODS) ? commands[i].pods(&request) : commands[i].loopback(&request);
  return fail(&request, CODE_ENVIRONMENT, "CNI_COMMAND is none of ADD, DEL, CHECK, VERSION");
}
