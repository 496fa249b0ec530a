#include "bootstrap/machine.h"

#include "bootstrap/boot_image.h"

#define GUEST_PORT_API 8443
#define GUEST_PORT_SSH 22
#define GUEST_PORT_DOCKER 2376

Machine *machine_new(const Home *home, const Profile *profile, GError **error)
{
  const Driver *driver = driver_find(profile->driver, error);
  if (!driver)
    return NULL;
  Machine *machine = g_new0(Machine, 1);
  g_autofree char *image = g_build_filename("cache/boot", profile->image_digest, NULL);
  machine->driver = driver;
  machine->directory = home_profile_file(home, profile->name, "machine");
  machine->cache = home_file(home, "cache/machine");
  machine->config_path = home_profile_file(home, profile->name, "config.iso");
  g_autofree char *image_directory = home_file(home, image);
  machine->iso = g_build_filename(image_directory, "launcher.iso", NULL);
  machine->kernel = g_build_filename(image_directory, "vmlinuz", NULL);
  machine->initrd = g_build_filename(image_directory, "initrd.img", NULL);
  machine->ports[0] = (DriverPort){ (uint16_t)profile->apiserver_port, GUEST_PORT_API, false };
  machine->ports[1] = (DriverPort){ MACHINE_PORT_SSH, GUEST_PORT_SSH, false };
  machine->ports[2] = (DriverPort){ MACHINE_PORT_DOCKER, GUEST_PORT_DOCKER, false };
  machine->spec = (MachineSpec){
    .profile = profile->name,
    .uuid = profile->uuid,
    .directory = machine->directory,
    .cpus = (int)profile->cpus,
    .memory_mib = profile->memory_mib,
    .disk_mib = profile->disk_mib,
    .image_path = machine->iso,
    .image_digest = profile->image_digest,
    .cache_directory = machine->cache,
    .kernel_path = machine->kernel,
    .initrd_path = machine->initrd,
    .config_path = machine->config_path,
    .address = profile->address,
    .ports = machine->ports,
    .n_ports = G_N_ELEMENTS(machine->ports),
  };
  return machine;
}

void machine_free(Machine *machine)
{
  if (!machine)
    return;
  g_free(machine->directory);
  g_free(machine->cache);
  g_free(machine->config_path);
  g_free(machine->iso);
  g_free(machine->kernel);
  g_free(machine->initrd);
  g_free(machine);
}
