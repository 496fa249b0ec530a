#pragma once
/* A profile's machine: the driver that runs it and what the driver must know, made from the profile. */
#include <glib.h>
#include <stdbool.h>

#include "driver/driver.h"
#include "profile/profile.h"

typedef struct Machine {
  const Driver *driver;
  MachineSpec spec;
  /* what spec points to */
  DriverPort ports[3];
  char *directory, *cache, *config_path, *iso, *kernel, *initrd;
} Machine;

/* For a profile that was started before (or is about to be: its driver, address and image digest are set). The profile
 * must outlive the machine. The boot image's files are named whether the cache has them or not. NULL with
 * REASON_DRIVER_UNSUPPORTED. */
Machine *machine_new(const Home *home, const Profile *profile, GError **error);
void machine_free(Machine *machine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Machine, machine_free)

/* The ports every machine has on its host address; that of the API server is the profile's apiserver_port. */
#define MACHINE_PORT_SSH 2222
#define MACHINE_PORT_DOCKER 2376
