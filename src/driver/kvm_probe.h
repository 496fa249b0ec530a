#pragma once
/* Does KVM truly work here? A present /dev/kvm alone does not tell: in a virtual machine without nested virtualization
 * it can exist and hang whoever uses it. */
#include <glib.h>
#include <stdbool.h>

typedef struct KvmFacts {
  bool cpu_flag;          /* /proc/cpuinfo lists vmx or svm */
  int device_errno;       /* of opening /dev/kvm; 0 when it opens */
  bool libvirt_offers_it; /* its domain capabilities have type kvm */
} KvmFacts;

/* Pure: NULL when KVM can be used, else why not, in a few words. */
const char *kvm_objection(const KvmFacts *facts);

/* Pure: whether CPUINFO (the text of /proc/cpuinfo) has the flag vmx or svm on a "flags" line. */
bool kvm_cpu_flag(const char *cpuinfo);

/* The first two facts of this host. /dev/kvm is opened only when the processor has the flag. */
void kvm_probe(KvmFacts *facts);
