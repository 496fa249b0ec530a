#pragma once
/* What the container driver writes down about a machine, and what it tells crun. */
#include <jansson.h>

#include "driver/driver.h"

#define CONTAINER_SPEC_FILE "machine.json" /* in the machine's folder: from create to its holder */

/* The part of a MachineSpec that the holder needs, owning its strings. */
typedef struct ContainerSpec {
  char *profile, *uuid, *image, *config, *address;
  int cpus;
  int64_t memory_mib;
  DriverPort *ports;
  size_t n_ports;
} ContainerSpec;

void container_spec_free(ContainerSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ContainerSpec, container_spec_free)

/* Pure, both ways. container_spec_parse: REASON_CONFIG when JSON is not what container_spec_json makes. */
json_t *container_spec_json(const MachineSpec *spec);
ContainerSpec *container_spec_parse(const json_t *json, GError **error);

/* "launcher/PROFILE-UUID8": the machine's control group in every hierarchy. UUID8 tells apart profiles of one name in
 * different homes. Caller frees. */
char *container_cgroup_name(const char *profile, const char *uuid);

/* Pure: the OCI runtime configuration (opencontainers/runtime-spec 1.0.2) of the machine. ROOT, CONFIG, DATA and EVENTS
 * are host paths: the mounted root file system, the unpacked config drive, the data folder, the events
 * FIFO. CAPABILITIES: a bit for each (linux/capability.h) that the caller has; crun can give no other. */
json_t *container_oci_config(const ContainerSpec *spec, const char *root, const char *config, const char *data,
                             const char *events, uint64_t capabilities);
