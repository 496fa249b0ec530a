/*
 * Calls one driver from the command line, for the tests of the drivers alone:
 *   drive DRIVER SPEC.json VERB [ARGUMENT…]
 * VERB: probe create start stop kill pause resume delete state address forward unforward events console.
 * SPEC.json:
 * {"profile","uuid","directory","cpus","memoryMiB","diskMiB","image","digest","cache","kernel","initrd","config",
 * "address","ports":[[host,guest],…]}. The exit code is the error's, its text goes to stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/reason.h"
#include "driver/container_holder.h"
#include "driver/driver.h"

enum { PORTS_MAX = 16, STOP_TIMEOUT_MS = 30000 };

static DriverPort ports[PORTS_MAX];

static void spec_read(const json_t *json, MachineSpec *spec)
{
  *spec = (MachineSpec){ .profile = json_str(json, "profile", "test"),
                         .uuid = json_str(json, "uuid", ""),
                         .directory = json_str(json, "directory", ""),
                         .cpus = (int)json_int(json, "cpus", 2),
                         .memory_mib = json_int(json, "memoryMiB", 1024),
                         .disk_mib = json_int(json, "diskMiB", 2000),
                         .image_path = json_str(json, "image", ""),
                         .image_digest = json_str(json, "digest", ""),
                         .cache_directory = json_str(json, "cache", ""),
                         .kernel_path = json_str(json, "kernel", ""),
                         .initrd_path = json_str(json, "initrd", ""),
                         .config_path = json_str(json, "config", ""),
                         .address = json_str(json, "address", ""),
                         .ports = ports };
  const json_t *list = json_object_get(json, "ports");
  for (; spec->n_ports < json_array_size(list) && spec->n_ports < PORTS_MAX; spec->n_ports++) {
    const json_t *pair = json_array_get(list, spec->n_ports);
    ports[spec->n_ports].host = (uint16_t)json_integer_value(json_array_get(pair, 0));
    ports[spec->n_ports].guest = (uint16_t)json_integer_value(json_array_get(pair, 1));
  }
}

static void show_notice(const char *text, void *data)
{
  fprintf(stderr, "notice: %s\n", text);
}

static bool copy_events(const Driver *driver, const MachineSpec *spec, GError **error)
{
  char block[4096];
  ssize_t got;
  int fd = driver->open_events(spec, error);
  if (fd < 0)
    return false;
  while ((got = read(fd, block, sizeof block)) > 0) {
    fwrite(block, 1, (size_t)got, stdout);
    fflush(stdout);
  }
  close(fd);
  return true;
}

static bool print_text(char *text)
{
  if (text)
    puts(text);
  g_free(text);
  return text != NULL;
}

static bool port_verb(const Driver *driver, const MachineSpec *spec, const char *verb, char **argv, GError **error)
{
  if (!argv[0] || !argv[1])
    return reason_set(error, REASON_USAGE, "%s HOST GUEST [udp]", verb);
  DriverPort port = { .host = (uint16_t)strtoul(argv[0], NULL, 10),
                      .guest = (uint16_t)strtoul(argv[1], NULL, 10),
                      .udp = argv[2] && strcmp(argv[2], "udp") == 0 };
  return strcmp(verb, "forward") == 0 ? driver->forward(spec, port, error) : driver->unforward(spec, port, error);
}

static bool state_verb(const Driver *driver, const MachineSpec *spec, GError **error)
{
  MachineState state;
  if (!driver->state(spec, &state, error))
    return false;
  puts(machine_state_name(state));
  return true;
}

static bool run_verb(const Driver *driver, const MachineSpec *spec, const char *verb, char **argv, GError **error)
{
  if (strcmp(verb, "probe") == 0)
    return driver->probe(error);
  if (strcmp(verb, "create") == 0)
    return driver->create(spec, show_notice, NULL, error);
  if (strcmp(verb, "start") == 0)
    return driver->start(spec, show_notice, NULL, error);
  if (strcmp(verb, "stop") == 0)
    return driver->stop(spec, argv[0] ? (int)strtol(argv[0], NULL, 10) : STOP_TIMEOUT_MS, error);
  if (strcmp(verb, "kill") == 0)
    return driver->kill(spec, error);
  if (strcmp(verb, "pause") == 0)
    return driver->pause(spec, error);
  if (strcmp(verb, "resume") == 0)
    return driver->resume(spec, error);
  if (strcmp(verb, "delete") == 0)
    return driver->delete_(spec, error);
  if (strcmp(verb, "state") == 0)
    return state_verb(driver, spec, error);
  if (strcmp(verb, "address") == 0)
    return print_text(driver->address(spec, error));
  if (strcmp(verb, "console") == 0)
    return print_text(driver->console_log(spec));
  if (strcmp(verb, "events") == 0)
    return copy_events(driver, spec, error);
  if (strcmp(verb, "forward") == 0 || strcmp(verb, "unforward") == 0)
    return port_verb(driver, spec, verb, argv, error);
  return reason_set(error, REASON_USAGE, "No such verb: %s", verb);
}

int main(int argc, char **argv)
{
  MachineSpec spec;
  g_autoptr(GError) error = NULL;
  log_setup(g_getenv("DRIVE_DEBUG") ? 3 : 1);
  if (argc > 1 && strcmp(argv[1], CONTAINER_HOLDER_VERB) == 0)
    return container_holder_main(argc - 1, argv + 1);
  if (argc < 4) {
    fprintf(stderr, "usage: drive DRIVER SPEC.json VERB [ARGUMENT…]\n");
    return 14;
  }
  const Driver *driver = driver_find(argv[1], &error);
  g_autoptr(json_t) json = driver ? json_read_file(argv[2], &error) : NULL;
  if (json) {
    spec_read(json, &spec);
    if (run_verb(driver, &spec, argv[3], argv + 4, &error))
      return 0;
  }
  const ReasonInfo *info = reason_info((int)reason_of(error));
  fprintf(stderr, "%s: %s\n", info->id, error->message);
  return info->exit_code;
}
