#pragma once
/* The definition of a virtual machine as libvirt reads it. */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "driver/driver.h"

#define DOMAIN_METADATA_URI "urn:launcher:machine:1" /* of the element that marks a domain as ours */
#define DOMAIN_NETDEV "hostnet0"                     /* libvirt's name of the first interface's back end */

typedef struct DomainHost {
  bool kvm;
  bool system; /* the system daemon: files must stay readable for UID, whom QEMU then runs as */
  uid_t uid;
  gid_t gid;
} DomainHost;

/* Pure: the XML of SPEC's domain. Never NULL; the caller frees. */
char *domain_xml(const MachineSpec *spec, const DomainHost *host);

/* Pure: the content of the ownership mark. The caller frees. */
char *domain_metadata(const MachineSpec *spec);
