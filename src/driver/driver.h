#pragma once
/*
 * Drivers make and run the machine of one profile. A driver knows nothing of Kubernetes: it boots the image with a
 * config drive and a data disk, opens ports, and reports state. docs/internals/guest.md is the contract with what runs
 * inside.
 *
 * Contract of every call: it is idempotent (doing what is already done is success); it touches only what carries
 * this profile's ownership mark; after a failure or a kill at any moment the same call, or delete, finishes the work.
 * No call deletes user data but `delete_`. Calls block; one profile is driven by one process at a time (the profile's
 * lock), except state, address, open_events and forward, which need no lock.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define DRIVER_PORTS_MAX 3000 /* of one machine, the fixed ones included */

typedef struct DriverPort {
  uint16_t host;  /* on the profile's loopback address */
  uint16_t guest; /* on the machine's own address */
  bool udp;
} DriverPort;

typedef struct MachineSpec {
  const char *profile;   /* also the machine's name: "launcher-PROFILE" */
  const char *uuid;      /* of the profile; the ownership mark */
  const char *directory; /* the machine's folder: disk, sockets, console log, pid files; made by create */
  int cpus;
  int64_t memory_mib, disk_mib;
  const char *image_path;      /* the boot image (ISO 9660), shared read-only by all profiles */
  const char *image_digest;    /* sha256 hex of it: names what a driver unpacks from it */
  const char *cache_directory; /* where a driver may keep what it unpacks from the image, shared by profiles */
  const char *kernel_path, *initrd_path; /* read out of the image */
  const char *config_path;               /* the config drive (ISO 9660) */
  const char *address;                   /* 127.77.x.y */
  const DriverPort *ports;               /* opened by start: API server, SSH, docker */
  size_t n_ports;
} MachineSpec;

typedef enum MachineState {
  MACHINE_NONEXISTENT,
  MACHINE_RUNNING,
  MACHINE_PAUSED,
  MACHINE_STOPPED,
  MACHINE_STOPPING,
  MACHINE_ERROR,
} MachineState;

/* "Nonexistent", "Running", "Paused", "Stopped", "Stopping", "Error": the words of `launcher status`. */
const char *machine_state_name(MachineState state);

/* Where a driver tells people what it chose ("KVM is not usable: …; running in software emulation"). May be NULL. */
typedef void (*DriverNotice)(const char *text, void *data);

typedef struct Driver Driver;
struct Driver {
  const char *name;    /* "libvirt" */
  const char *alias;   /* "kvm2", may be NULL */
  const char *summary; /* one line for --help */
  int priority;        /* automatic choice takes the highest whose probe succeeds */

  /* Can this driver work on this host for this user? False with PROVIDER_NOT_FOUND (what to install),
   * PROVIDER_PERMISSION or PROVIDER_UNAVAILABLE. Cheap: starts nothing that stays. */
  bool (*probe)(GError **error);

  /* Makes the machine (disk, definition), not running. An existing one is adjusted to SPEC: CPUs, memory, a larger disk
   * (never a smaller: REASON_USAGE), new image. */
  bool (*create)(const MachineSpec *spec, DriverNotice notice, void *notice_data, GError **error);

  /* Boots it and opens SPEC's ports. Returns as soon as the machine runs; boot events tell the rest.
   * REASON_DRIVER_CONFLICT when a port of the address is taken. */
  bool (*start)(const MachineSpec *spec, DriverNotice notice, void *notice_data, GError **error);

  /* Orderly shutdown; after TIMEOUT_MS the power is cut. The data disk is consistent either way. */
  bool (*stop)(const MachineSpec *spec, int timeout_ms, GError **error);

  /* Cuts the power. */
  bool (*kill)(const MachineSpec *spec, GError **error);

  /* Freezes and thaws the whole machine. */
  bool (*pause)(const MachineSpec *spec, GError **error);
  bool (*resume)(const MachineSpec *spec, GError **error);

  /* Removes the machine and every trace of it: domain, processes, mounts, cgroups, disks in the machine's folder. */
  bool (*delete_)(const MachineSpec *spec, GError **error);

  /* The truth, asked of the provider, never of a file. */
  bool (*state)(const MachineSpec *spec, MachineState *state, GError **error);

  /* The machine's own address inside (what the node calls InternalIP). The caller frees. */
  char *(*address)(const MachineSpec *spec, GError **error);

  /* Opens or closes one more port while the machine runs. REASON_DRIVER_CONFLICT when the host port is taken. */
  bool (*forward)(const MachineSpec *spec, DriverPort port, GError **error);
  bool (*unforward)(const MachineSpec *spec, DriverPort port, GError **error);

  /* A descriptor on which the guest's boot events arrive as JSON lines (docs/internals/guest.md). To be called right
   * after start: the guest needs longer to its first event than that, and a container's early events wait. End of file:
   * the machine went down. -1 with GUEST_NOT_RUNNING or another error. */
  int (*open_events)(const MachineSpec *spec, GError **error);

  /* The console log's path, for `launcher logs`. The caller frees. */
  char *(*console_log)(const MachineSpec *spec);
};

/* All drivers, highest priority first; NULL-terminated; static. */
const Driver *const *driver_list(void);

/* By name or alias; NULL with REASON_DRIVER_UNSUPPORTED: "The driver 'x' is not supported on linux/amd64". */
const Driver *driver_find(const char *name, GError **error);
