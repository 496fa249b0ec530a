/* The pure parts of the drivers: definitions against golden files, decisions, the words between a command and a holder.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "driver/container_control.h"
#include "driver/container_spec.h"
#include "driver/data_disk.h"
#include "driver/domain_xml.h"
#include "driver/iso_file.h"
#include "driver/kvm_probe.h"
#include "driver/libvirt_connect.h"
#include "driver/libvirt_ports.h"
#include "driver/machine_folder.h"

static const DriverPort PORTS[] = { { .host = 8443, .guest = 8443 }, { .host = 5353, .guest = 53, .udp = true } };

static const MachineSpec SPEC = {
  .profile = "demo",
  .uuid = "0f8e1a52-6c0e-4d57-9f5c-2b1d6a7c8e90",
  .directory = "/home/ann & bob/.launcher/machines/demo",
  .cpus = 2,
  .memory_mib = 2048,
  .disk_mib = 20000,
  .image_path = "/cache/launcher's.iso",
  .kernel_path = "/cache/vmlinuz",
  .initrd_path = "/cache/initrd<1>.img",
  .config_path = "/home/ann & bob/.launcher/machines/demo/config.iso",
  .address = "127.77.1.2",
  .ports = PORTS,
  .n_ports = G_N_ELEMENTS(PORTS),
};

/* With GOLDEN_UPDATE set the file is written instead: read the difference before committing it. */
static void assert_golden(const char *name, const char *text)
{
  g_autofree char *path = g_test_build_filename(G_TEST_DIST, "tests/unit/driver/golden", name, NULL);
  g_autofree char *wanted = NULL;
  if (g_getenv("GOLDEN_UPDATE"))
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
  g_assert_true(g_file_get_contents(path, &wanted, NULL, NULL));
  g_assert_cmpstr(text, ==, wanted);
}

static void test_domain_xml(void)
{
  const DomainHost emulated = { .system = true, .uid = 0, .gid = 0 };
  const DomainHost session = { .kvm = true, .uid = 1000, .gid = 1000 };
  g_autofree char *first = domain_xml(&SPEC, &emulated);
  g_autofree char *second = domain_xml(&SPEC, &session);
  assert_golden("domain-emulated-system.xml", first);
  assert_golden("domain-kvm-session.xml", second);
}

static void test_long_folder(void)
{
  MachineSpec spec = SPEC;
  g_autofree char *usual = machine_events_socket(&spec);
  g_assert_cmpstr(usual, ==, "/home/ann & bob/.launcher/machines/demo/events.sock");
  spec.directory =
      "/home/0123456789012345678901234567890123456789/0123456789012345678901234567890123456789/012345678901234567";
  g_autofree char *other = machine_events_socket(&spec);
  g_assert_true(g_str_has_suffix(other, "/launcher-0f8e1a52-6c0e-4d57-9f5c-2b1d6a7c8e90.sock"));
  g_assert_true(g_str_has_prefix(other, g_get_user_runtime_dir()));
}

static void test_kvm(void)
{
  const KvmFacts good = { .cpu_flag = true, .libvirt_offers_it = true };
  const KvmFacts no_flag = { .libvirt_offers_it = true };
  const KvmFacts no_device = { .cpu_flag = true, .device_errno = ENOENT, .libvirt_offers_it = true };
  const KvmFacts no_right = { .cpu_flag = true, .device_errno = EACCES, .libvirt_offers_it = true };
  const KvmFacts not_offered = { .cpu_flag = true };
  g_assert_null(kvm_objection(&good));
  g_assert_nonnull(strstr(kvm_objection(&no_flag), "vmx"));
  g_assert_nonnull(strstr(kvm_objection(&no_device), "does not exist"));
  g_assert_nonnull(strstr(kvm_objection(&no_right), "group kvm"));
  g_assert_nonnull(strstr(kvm_objection(&not_offered), "libvirt"));

  g_assert_true(kvm_cpu_flag("model name\t: x\nflags\t\t: fpu vmx de\n"));
  g_assert_true(kvm_cpu_flag("flags\t\t: fpu svm"));
  g_assert_true(kvm_cpu_flag("flags\t\t: fpu avmxb svm\n"));
  g_assert_false(kvm_cpu_flag("flags\t\t: fpu vmxx svm_lock avmx\n"));
  g_assert_false(kvm_cpu_flag("vmx flags\t\t: svm\nmodel name\t: svm vmx\n"));
  g_assert_false(kvm_cpu_flag(""));
}

static void test_uri(void)
{
  g_assert_true(libvirt_uri_is_system("qemu:///system"));
  g_assert_false(libvirt_uri_is_system("qemu:///session"));
  g_setenv("LIBVIRT_DEFAULT_URI", "test:///default", TRUE);
  g_assert_cmpstr(libvirt_uri(), ==, "test:///default");
  g_autoptr(GError) error = NULL;
  g_autoptr(virConnect) connection = libvirt_connect(&error);
  g_assert_no_error(error);
  g_assert_cmpstr(virConnectGetType(connection), ==, "TEST");
  g_setenv("LIBVIRT_DEFAULT_URI", "nonsense:///", TRUE);
  g_assert_null(libvirt_connect(&error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_PROVIDER_UNAVAILABLE);
  g_unsetenv("LIBVIRT_DEFAULT_URI");
  g_assert_cmpstr(libvirt_uri(), ==, geteuid() == 0 ? "qemu:///system" : "qemu:///session");
}

static void test_hostfwd(void)
{
  /* As QEMU 7.2 prints it. */
  static const char TABLE[] = "Hub -1 (hostnet0):\r\n"
                              "  Protocol[State]    Fd  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
                              "  TCP[HOST_FORWARD]  15      127.77.1.2  8443       10.0.2.15  8443     0     0\r\n"
                              "  UDP[HOST_FORWARD]  16      127.77.1.2  5353       10.0.2.15    53     0     0\r\n"
                              "  TCP[ESTABLISHED]   21      127.77.1.2  9443       10.0.2.15  9443     0     0\r\n";
  DriverPort port = { .host = 9443, .guest = 9443 };
  g_assert_true(hostfwd_listed(TABLE, "127.77.1.2", PORTS[0]));
  g_assert_true(hostfwd_listed(TABLE, "127.77.1.2", PORTS[1]));
  g_assert_false(hostfwd_listed(TABLE, "127.77.1.3", PORTS[0]));
  g_assert_false(hostfwd_listed(TABLE, "127.77.1.2", port));
  g_assert_false(hostfwd_listed("", "127.77.1.2", port));
  g_autofree char *add = hostfwd_argument("127.77.1.2", PORTS[1], true);
  g_autofree char *remove = hostfwd_argument("127.77.1.2", PORTS[0], false);
  g_assert_cmpstr(add, ==, "hostnet0 udp:127.77.1.2:5353-:53");
  g_assert_cmpstr(remove, ==, "hostnet0 tcp:127.77.1.2:8443");
}

static void test_qcow2(void)
{
  unsigned char header[32] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3 };
  header[24 + 3] = 5; /* 5 << 32 */
  g_assert_cmpint(qcow2_virtual_size(header, sizeof header), ==, INT64_C(5) << 32);
  g_assert_cmpint(qcow2_virtual_size(header, sizeof header - 1), ==, -1);
  header[7] = 4;
  g_assert_cmpint(qcow2_virtual_size(header, sizeof header), ==, -1);
  header[7] = 2;
  header[24] = 0x80;
  g_assert_cmpint(qcow2_virtual_size(header, sizeof header), ==, -1);
  header[0] = 'q';
  g_assert_cmpint(qcow2_virtual_size(header, sizeof header), ==, -1);
}

static void test_data_disk(void)
{
  g_autofree char *tool = g_find_program_in_path("qemu-img");
  if (!tool) {
    g_test_skip("qemu-img is not installed");
    return;
  }
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp("disk-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "a,b=c d.qcow2", NULL);
  g_assert_true(data_disk_ensure(path, 100, &error));
  g_assert_true(data_disk_ensure(path, 100, &error));
  g_assert_cmpint(data_disk_size(path, &error), ==, INT64_C(100) << 20);
  g_assert_true(data_disk_ensure(path, 200, &error));
  g_assert_cmpint(data_disk_size(path, &error), ==, INT64_C(200) << 20);
  g_assert_no_error(error);
  g_assert_false(data_disk_ensure(path, 199, &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_USAGE);
  g_clear_error(&error);
  g_assert_true(g_file_set_contents(path, "no disk", -1, NULL));
  g_assert_false(data_disk_ensure(path, 200, &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_DRIVER);
  file_remove_tree(folder, NULL);
}

/* --- container -------------------------------------------------------------------------------------------------------
 */

static void test_oci(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) written = container_spec_json(&SPEC);
  g_autoptr(ContainerSpec) spec = container_spec_parse(written, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(spec->n_ports, ==, 2);
  g_assert_true(spec->ports[1].udp);
  g_assert_cmpuint(spec->ports[1].guest, ==, 53);
  g_assert_cmpstr(spec->config, ==, SPEC.config_path);
  g_autoptr(json_t) config = container_oci_config(spec, "/m/root", "/m/config", "/d/data", "/d/events",
                                                  UINT64_C(1) << 21 | UINT64_C(1) << 40 | 1);
  g_autofree char *text = json_text_pretty(config);
  g_autofree char *line = g_strconcat(text, g_str_has_suffix(text, "\n") ? "" : "\n", NULL);
  assert_golden("container.json", line);
}

static void test_damaged_spec(void)
{
  static const char *const TEXTS[] = {
    "{}",
    "[]",
    "{\"profile\":\"a\",\"uuid\":\"b\",\"image\":\"c\",\"config\":\"d\",\"address\":\"e\",\"cpus\":1,\"memoryMiB\":1,"
    "\"ports\":{}}",
    "{\"profile\":\"a\",\"uuid\":\"b\",\"image\":\"c\",\"config\":\"d\",\"address\":\"e\",\"cpus\":0,\"memoryMiB\":1,"
    "\"ports\":[]}",
    "{\"profile\":\"a\",\"uuid\":\"b\",\"image\":\"c\",\"config\":\"d\",\"address\":\"e\",\"cpus\":1,\"memoryMiB\":1,"
    "\"ports\":[{\"host\":70000,\"guest\":1}]}",
    "{\"profile\":\"a\",\"uuid\":\"b\",\"image\":\"c\",\"config\":\"d\",\"address\":\"e\",\"cpus\":1,\"memoryMiB\":1,"
    "\"ports\":[7]}",
  };
  for (size_t i = 0; i < G_N_ELEMENTS(TEXTS); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) json = json_parse(TEXTS[i], strlen(TEXTS[i]), true, &error);
    g_assert_no_error(error);
    g_assert_null(container_spec_parse(json, &error));
    g_assert_error(error, LAUNCHER_ERROR, REASON_CONFIG);
  }
}

static void test_cgroup_name(void)
{
  g_autofree char *name = container_cgroup_name("demo", SPEC.uuid);
  g_assert_cmpstr(name, ==, "launcher/demo-0f8e1a52");
}

static void test_requests(void)
{
  bool open;
  DriverPort port;
  g_autofree char *text = holder_request_text(false, PORTS[1]);
  g_assert_cmpstr(text, ==, "close udp 5353 53\n");
  g_assert_true(holder_request_parse(text, &open, &port));
  g_assert_false(open);
  g_assert_true(port.udp && port.host == 5353 && port.guest == 53);
  g_assert_true(holder_request_parse("open tcp 65535 1", &open, &port));
  static const char *const BAD[] = { "",
                                     "open",
                                     "open tcp 0 1",
                                     "open tcp 65536 1",
                                     "open tcp 1 0",
                                     "shut tcp 1 1",
                                     "open sctp 1 1",
                                     "open tcp -1 1",
                                     "openopenopen tcp 1 1",
                                     "open tcp 1" };
  for (size_t i = 0; i < G_N_ELEMENTS(BAD); i++)
    g_assert_false(holder_request_parse(BAD[i], &open, &port));
}

static void test_replies(void)
{
  g_autoptr(GError) sent = NULL, got = NULL;
  g_autofree char *good = holder_reply_text(NULL);
  g_assert_true(holder_reply_parse(good, &got));
  reason_set(&sent, REASON_DRIVER_CONFLICT, "The port is taken");
  g_autofree char *bad = holder_reply_text(sent);
  g_assert_false(holder_reply_parse(bad, &got));
  g_assert_error(got, LAUNCHER_ERROR, REASON_DRIVER_CONFLICT);
  g_assert_cmpstr(got->message, ==, "The port is taken");
  static const char *const NOISE[] = { "", "okay", "error", "error 99999 x", "error -1 x", "error x" };
  for (size_t i = 0; i < G_N_ELEMENTS(NOISE); i++) {
    g_clear_error(&got);
    g_assert_false(holder_reply_parse(NOISE[i], &got));
    g_assert_nonnull(got);
  }
}

/* The lock is a child's here: a process does not conflict with itself. */
static void test_holder_lock(void)
{
  char byte;
  int ready[2];
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp("holder-XXXXXX", NULL);
  g_assert_cmpint(holder_find(folder), ==, 0);
  g_assert_cmpint(holder_pidfd(folder), ==, -1);
  g_assert_false(holder_ask(folder, true, PORTS[0], &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_GUEST_NOT_RUNNING);
  g_clear_error(&error);
  g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
  pid_t child = fork();
  if (child == 0) {
    _exit(holder_claim(folder, NULL) && write(ready[1], "h", 1) == 1 && pause() == 0);
  }
  close(ready[1]);
  g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
  g_assert_cmpint(holder_find(folder), ==, child);
  g_assert_false(holder_claim(folder, &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_PROFILE_LOCKED);
  file_autofd int pidfd = holder_pidfd(folder);
  g_assert_cmpint(pidfd, >=, 0);
  kill(child, SIGKILL);
  g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
  g_assert_cmpint(holder_find(folder), ==, 0);
  close(ready[0]);
  file_remove_tree(folder, NULL);
}

/* --- ISO 9660 --------------------------------------------------------------------------------------------------------
 */

static size_t add_record(uint8_t *at, const char *name, uint32_t sector, uint32_t size, uint8_t flags,
                         const char *rock_ridge)
{
  size_t length = 33 + strlen(name);
  length += length & 1;
  memset(at, 0, 255);
  at[2] = (uint8_t)sector;
  memcpy(at + 10, &(uint32_t){ GUINT32_TO_LE(size) }, 4);
  at[25] = flags;
  at[32] = (uint8_t)strlen(name);
  memcpy(at + 33, name, strlen(name));
  if (rock_ridge) {
    at[length] = 'N';
    at[length + 1] = 'M';
    at[length + 2] = (uint8_t)(5 + strlen(rock_ridge));
    memcpy(at + length + 5, rock_ridge, strlen(rock_ridge));
    length += 5 + strlen(rock_ridge);
    length += length & 1;
  }
  at[0] = (uint8_t)length;
  return length;
}

static void test_iso(void)
{
  IsoExtent extent;
  uint8_t folder[2 * ISO_SECTOR + 255] = { 0 };
  size_t at = 0;
  at += add_record(folder, "\1", 20, ISO_SECTOR, 0x02, NULL);
  at += add_record(folder + at, "ROOT.SQU;1", 30, 5000, 0, "root.squashfs");
  add_record(folder + at, "root.squashfs", 40, 1, 0x02, NULL); /* a folder of that name is none */
  add_record(folder + ISO_SECTOR, "KERNEL.;1", 50, 7, 0, NULL);
  g_assert_true(iso_directory_find(folder, 2 * ISO_SECTOR, "root.squashfs", &extent));
  g_assert_cmpuint(extent.offset, ==, 30 * ISO_SECTOR);
  g_assert_cmpuint(extent.length, ==, 5000);
  g_assert_true(iso_directory_find(folder, 2 * ISO_SECTOR, "root.squ", &extent));
  g_assert_true(iso_directory_find(folder, 2 * ISO_SECTOR, "kernel.", &extent));
  g_assert_cmpuint(extent.offset, ==, 50 * ISO_SECTOR);
  g_assert_false(iso_directory_find(folder, ISO_SECTOR, "kernel.", &extent));
  g_assert_false(iso_directory_find(folder, 2 * ISO_SECTOR, "root", &extent));
  folder[0] = 20; /* shorter than a record's fixed part */
  g_assert_false(iso_directory_find(folder, 2 * ISO_SECTOR, "root.squashfs", &extent));
}

static void test_names(void)
{
  g_autoptr(GError) error = NULL;
  static const char *const NAMES[][2] = { { "libvirt", "libvirt" },
                                          { "kvm2", "libvirt" },
                                          { "qemu", "libvirt" },
                                          { "docker", "container" },
                                          { "container", "container" } };
  for (size_t i = 0; i < G_N_ELEMENTS(NAMES); i++)
    g_assert_cmpstr(driver_find(NAMES[i][0], &error)->name, ==, NAMES[i][1]);
  g_assert_null(driver_find("fail", &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_DRIVER_UNSUPPORTED);
  g_assert_cmpstr(error->message, ==, "The driver 'fail' is not supported on linux/amd64");
  g_assert_cmpstr(machine_state_name(MACHINE_NONEXISTENT), ==, "Nonexistent");
  for (const Driver *const *driver = driver_list(); driver[0] && driver[1]; driver++)
    g_assert_cmpint(driver[0]->priority, >, driver[1]->priority);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/driver/names", test_names);
  g_test_add_func("/driver/domain-xml", test_domain_xml);
  g_test_add_func("/driver/long-folder", test_long_folder);
  g_test_add_func("/driver/kvm", test_kvm);
  g_test_add_func("/driver/uri", test_uri);
  g_test_add_func("/driver/hostfwd", test_hostfwd);
  g_test_add_func("/driver/qcow2", test_qcow2);
  g_test_add_func("/driver/data-disk", test_data_disk);
  g_test_add_func("/driver/oci", test_oci);
  g_test_add_func("/driver/damaged-spec", test_damaged_spec);
  g_test_add_func("/driver/cgroup-name", test_cgroup_name);
  g_test_add_func("/driver/requests", test_requests);
  g_test_add_func("/driver/replies", test_replies);
  g_test_add_func("/driver/holder-lock", test_holder_lock);
  g_test_add_func("/driver/iso", test_iso);
  return g_test_run();
}
