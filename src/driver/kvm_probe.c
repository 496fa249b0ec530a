#include "driver/kvm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

const char *kvm_objection(const KvmFacts *facts)
{
  if (!facts->cpu_flag)
    return "the processor offers no hardware virtualization (no vmx or svm flag)";
  if (facts->device_errno == ENOENT)
    return "/dev/kvm does not exist (is the module kvm_intel or kvm_amd loaded?)";
  if (facts->device_errno == EACCES || facts->device_errno == EPERM)
    return "/dev/kvm may not be opened by this user (join the group kvm)";
  if (facts->device_errno != 0)
    return "/dev/kvm does not open";
  if (!facts->libvirt_offers_it)
    return "libvirt does not offer it";
  return NULL;
}

static bool has_word(const char *line, const char *end, const char *word)
{
  size_t length = strlen(word);
  for (const char *at = line; (at = memmem(at, (size_t)(end - at), word, length)); at += length)
    if ((at[-1] == ' ' || at[-1] == '\t') && (at + length == end || at[length] == ' '))
      return true;
  return false;
}

bool kvm_cpu_flag(const char *cpuinfo)
{
  for (const char *line = cpuinfo; *line;) {
    const char *end = strchrnul(line, '\n');
    if (g_str_has_prefix(line, "flags\t") && (has_word(line + 1, end, "vmx") || has_word(line + 1, end, "svm")))
      return true;
    line = *end ? end + 1 : end;
  }
  return false;
}

void kvm_probe(KvmFacts *facts)
{
  g_autofree char *cpuinfo = NULL;
  facts->cpu_flag = g_file_get_contents("/proc/cpuinfo", &cpuinfo, NULL, NULL) && kvm_cpu_flag(cpuinfo);
  facts->device_errno = 0;
  facts->libvirt_offers_it = false;
  if (!facts->cpu_flag)
    return;
  file_autofd int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd < 0)
    facts->device_errno = errno;
}
