#include "driver/driver.h"

#include <string.h>

#include "base/reason.h"
#include "driver/container.h"
#include "driver/libvirt.h"

const char *machine_state_name(MachineState state)
{
  switch (state) {
  case MACHINE_NONEXISTENT:
    return "Nonexistent";
  case MACHINE_RUNNING:
    return "Running";
  case MACHINE_PAUSED:
    return "Paused";
  case MACHINE_STOPPED:
    return "Stopped";
  case MACHINE_STOPPING:
    return "Stopping";
  case MACHINE_ERROR:
    break;
  }
  return "Error";
}

const Driver *const *driver_list(void)
{
  static const Driver *const all[] = { &libvirt_driver, &container_driver, NULL };
  return all;
}

/* What scripts written for other tools call the same thing. */
static const struct {
  const char *name, *means;
} ALIASES[] = {
  { "kvm2", "libvirt" },     { "kvm", "libvirt" },      { "qemu2", "libvirt" },  { "qemu", "libvirt" },
  { "docker", "container" }, { "podman", "container" }, { "none", "container" },
};

const Driver *driver_find(const char *name, GError **error)
{
  const char *wanted = name;
  for (size_t i = 0; i < G_N_ELEMENTS(ALIASES); i++)
    if (strcmp(name, ALIASES[i].name) == 0)
      wanted = ALIASES[i].means;
  for (const Driver *const *driver = driver_list(); *driver; driver++)
    if (strcmp(wanted, (*driver)->name) == 0)
      return *driver;
  reason_set(error, REASON_DRIVER_UNSUPPORTED, "The driver '%s' is not supported on linux/amd64", name);
  return NULL;
}
