#include "driver/domain_xml.h"

#include <inttypes.h>

#include "driver/machine_folder.h"

#define EVENTS_CHANNEL "org.launcher.events.0"
#define KERNEL_ARGUMENTS                                                                                               \
  "console=ttyS0 quiet mitigations=off random.trust_cpu=on tsc=reliable no_timer_check panic=-1 launcher.profile="

/* Slots of q35's root bus that our devices take. Given by hand because libvirt would else make a PCIe root port for
 * each device, which costs the guest time to find and buys hotplug, which nobody uses. Slot 1f is the chipset's. */
enum { SLOT_NET = 2, SLOT_SERIAL, SLOT_BOOT, SLOT_CONFIG, SLOT_DATA, SLOT_RNG, SLOT_BALLOON };

static void add(GString *xml, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Every argument that is a string is escaped: g_markup_vprintf_escaped(). */
static void add(GString *xml, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_markup_vprintf_escaped(format, arguments);
  va_end(arguments);
  g_string_append(xml, text);
}

static void add_slot(GString *xml, int slot)
{
  add(xml, "      <address type='pci' domain='0' bus='0' slot='%d' function='0'/>\n", slot);
}

static void add_cpu(GString *xml, const DomainHost *host)
{
  if (host->kvm) {
    g_string_append(xml, "  <cpu mode='host-passthrough' check='none' migratable='on'/>\n");
    return;
  }
  /* The fastest model in emulation; without rdrand the guest waits seconds for entropy. */
  g_string_append(xml, "  <cpu mode='custom' match='exact' check='none'>\n"
                       "    <model fallback='forbid'>Nehalem</model>\n"
                       "    <feature policy='require' name='rdrand'/>\n"
                       "  </cpu>\n");
}

static void add_head(GString *xml, const MachineSpec *spec, const DomainHost *host)
{
  g_autofree char *mark = domain_metadata(spec);
  add(xml, "<domain type='%s'>\n  <name>launcher-%s</name>\n  <uuid>%s</uuid>\n", host->kvm ? "kvm" : "qemu",
      spec->profile, spec->uuid);
  g_string_append_printf(xml, "  <metadata>%s</metadata>\n", mark);
  add(xml, "  <memory unit='MiB'>%" PRId64 "</memory>\n  <vcpu placement='static'>%d</vcpu>\n", spec->memory_mib,
      spec->cpus);
  add(xml,
      "  <os>\n    <type arch='x86_64' machine='q35'>hvm</type>\n    <kernel>%s</kernel>\n    <initrd>%s</initrd>\n"
      "    <cmdline>" KERNEL_ARGUMENTS "%s</cmdline>\n  </os>\n",
      spec->kernel_path, spec->initrd_path, spec->profile);
  g_string_append(xml, "  <features>\n    <acpi/>\n    <apic/>\n");
  if (!host->kvm) /* QEMU's default translation cache costs 300 MiB more and gains 5 % */
    g_string_append(xml, "    <tcg>\n      <tb-cache unit='MiB'>128</tb-cache>\n    </tcg>\n");
  g_string_append(xml, "  </features>\n");
  add_cpu(xml, host);
  g_string_append(xml, "  <clock offset='utc'/>\n"
                       "  <on_poweroff>destroy</on_poweroff>\n"
                       "  <on_reboot>restart</on_reboot>\n"
                       "  <on_crash>destroy</on_crash>\n");
}

static void add_disk(GString *xml, const char *serial, const char *path, int slot, char unit, bool image)
{
  g_string_append(xml, "    <disk type='file' device='disk'>\n");
  g_string_append(xml, image ? "      <driver name='qemu' type='raw'/>\n"
                             : "      <driver name='qemu' type='qcow2' discard='unmap' detect_zeroes='unmap'/>\n");
  add(xml, "      <source file='%s'/>\n      <target dev='vd%c' bus='virtio'/>\n", path, unit);
  if (image)
    g_string_append(xml, "      <readonly/>\n");
  add(xml, "      <serial>%s</serial>\n", serial);
  add_slot(xml, slot);
  g_string_append(xml, "    </disk>\n");
}

/* A stable address (the profile's, not drawn anew by each definition) in QEMU's range. */
static void add_interface(GString *xml, const MachineSpec *spec)
{
  guint32 mix = g_str_hash(spec->uuid);
  add(xml,
      "    <interface type='user'>\n      <mac address='52:54:00:%02x:%02x:%02x'/>\n      <model type='virtio'/>\n",
      mix >> 16 & 0xff, mix >> 8 & 0xff, mix & 0xff);
  g_string_append(xml, "      <rom enabled='no'/>\n");
  add_slot(xml, SLOT_NET);
  g_string_append(xml, "    </interface>\n");
}

static void add_channels(GString *xml, const MachineSpec *spec)
{
  g_autofree char *console = machine_console_path(spec);
  g_autofree char *events = machine_events_socket(spec);
  add(xml,
      "    <serial type='file'>\n      <source path='%s'/>\n      <target type='isa-serial' port='0'/>\n"
      "    </serial>\n",
      console);
  g_string_append(xml, "    <controller type='virtio-serial' index='0'>\n");
  add_slot(xml, SLOT_SERIAL);
  g_string_append(xml, "    </controller>\n");
  add(xml,
      "    <channel type='unix'>\n      <source mode='bind' path='%s'/>\n"
      "      <target type='virtio' name='" EVENTS_CHANNEL "'/>\n    </channel>\n",
      events);
  g_string_append(xml, "    <channel type='unix'>\n"
                       "      <target type='virtio' name='org.qemu.guest_agent.0'/>\n    </channel>\n");
}

static void add_devices(GString *xml, const MachineSpec *spec)
{
  g_autofree char *data = machine_disk_path(spec);
  g_string_append(xml, "  <devices>\n    <controller type='usb' model='none'/>\n");
  add_disk(xml, "boot", spec->image_path, SLOT_BOOT, 'a', true);
  add_disk(xml, "config", spec->config_path, SLOT_CONFIG, 'b', true);
  add_disk(xml, "data", data, SLOT_DATA, 'c', false);
  add_interface(xml, spec);
  add_channels(xml, spec);
  g_string_append(xml, "    <rng model='virtio'>\n      <backend model='random'>/dev/urandom</backend>\n");
  add_slot(xml, SLOT_RNG);
  /* The guest's free pages go back to the host by themselves. */
  g_string_append(xml, "    </rng>\n    <memballoon model='virtio' autodeflate='on' freePageReporting='on'>\n");
  add_slot(xml, SLOT_BALLOON);
  g_string_append(xml, "    </memballoon>\n  </devices>\n");
}

char *domain_metadata(const MachineSpec *spec)
{
  return g_markup_printf_escaped("<launcher:machine xmlns:launcher='" DOMAIN_METADATA_URI "' profile='%s' uuid='%s'/>",
                                 spec->profile, spec->uuid);
}

char *domain_xml(const MachineSpec *spec, const DomainHost *host)
{
  GString *xml = g_string_new(NULL);
  add_head(xml, spec, host);
  add_devices(xml, spec);
  if (host->system)
    add(xml, "  <seclabel type='static' model='dac' relabel='no'>\n    <label>+%u:+%u</label>\n  </seclabel>\n",
        (unsigned)host->uid, (unsigned)host->gid);
  g_string_append(xml, "</domain>\n");
  return g_string_free(xml, FALSE);
}
