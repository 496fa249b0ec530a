#include "clusterd/node/status/node_resources.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/machine.h"

#define PODS_MAX "110"
#define PODS_GROUP "kubepods"
#define HUGE_PAGES_DIR "/sys/kernel/mm/hugepages"
#define SHARES_PER_CPU 1024
#define SHARES_MIN 2
#define SHARES_MAX 262144
#define WEIGHT_MAX 10000

static void set_kibibytes(json_t *resources, const char *name, int64_t bytes)
{
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT "Ki", bytes / 1024);
  json_object_set_new(resources, name, json_string(text));
}

/* "hugepages-2Mi" of every size the kernel has. */
static void add_huge_pages(json_t *resources)
{
  g_autoptr(GDir) folder = g_dir_open(HUGE_PAGES_DIR, 0, NULL);
  for (const char *entry; folder && (entry = g_dir_read_name(folder));) {
    guint64 size = 0, count = 0;
    g_autofree char *number = g_strndup(entry, strcspn(entry, "k"));
    g_autofree char *path = g_build_filename(HUGE_PAGES_DIR, entry, "nr_hugepages", NULL);
    g_autofree char *line = machine_read_line(path);
    if (!g_str_has_prefix(number, "hugepages-") ||
        !g_ascii_string_to_unsigned(number + strlen("hugepages-"), 10, 1, G_MAXINT32, &size, NULL))
      continue;
    g_ascii_string_to_unsigned(line, 10, 0, G_MAXINT32, &count, NULL);
    Quantity page = { .nano = (__int128)size * 1024 * 1000000000, .format = QUANTITY_BINARY_SI };
    Quantity all = { .nano = page.nano * (__int128)count, .format = QUANTITY_BINARY_SI };
    g_autofree char *page_text = quantity_text(page), *all_text = quantity_text(all);
    g_autofree char *name = g_strconcat("hugepages-", page_text, NULL);
    json_object_set_new(resources, name, json_string(all_text));
  }
}

json_t *node_resources_capacity(const char *data_dir)
{
  int64_t cpu = machine_cpu_milli();
  json_t *resources = json_pack("{s:s, s:s}", "hugepages-1Gi", "0", "hugepages-2Mi", "0"); /* what this CPU may have */
  g_autofree char *cpu_text =
      cpu % 1000 == 0 ? g_strdup_printf("%d", (int)(cpu / 1000)) : g_strdup_printf("%dm", (int)cpu);
  add_huge_pages(resources);
  json_object_set_new(resources, "cpu", json_string(cpu_text));
  set_kibibytes(resources, "ephemeral-storage", machine_disk_bytes(data_dir));
  set_kibibytes(resources, "memory", machine_memory_bytes());
  json_object_set_new(resources, "pods", json_string(PODS_MAX));
  return resources;
}

json_t *node_resources_allocatable(const json_t *capacity, const PressureSettings *settings)
{
  return reservation_allocatable(capacity, settings ? &settings->reserved : NULL,
                                 settings ? settings->thresholds : NULL);
}

/* --- the control group ---------------------------------------------------------------------------------------------
 */

static bool write_number(const char *dir, const char *file, int64_t value, GError **error)
{
  g_autofree char *path = g_build_filename(dir, file, NULL);
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
  file_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
  return (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text)) ||
         reason_set_errno(error, REASON_FILE, errno, "Cannot write %s to %s", text, path);
}

/* Makes the group below ROOT and writes one of its numbers. */
static bool limit_group(const char *root, const char *file, int64_t value, GError **error)
{
  g_autofree char *dir = g_build_filename(root, PODS_GROUP, NULL);
  if (mkdir(dir, 0755) < 0 && errno != EEXIST)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot make %s", dir);
  return write_number(dir, file, value, error);
}

/* v1: each controller has its own tree. One that is not there limits nothing. */
static bool limit_v1(const char *cgroup_root, int64_t shares, int64_t memory, GError **error)
{
  const struct {
    const char *controllers[3], *file;
    int64_t value;
  } limits[] = { { { "cpu", "cpu,cpuacct", "cpuacct,cpu" }, "cpu.shares", shares },
                 { { "memory" }, "memory.limit_in_bytes", memory } };
  for (gsize i = 0; i < G_N_ELEMENTS(limits); i++)
    for (gsize k = 0; k < G_N_ELEMENTS(limits[i].controllers) && limits[i].controllers[k]; k++) {
      g_autofree char *root = g_build_filename(cgroup_root, limits[i].controllers[k], NULL);
      if (!g_file_test(root, G_FILE_TEST_IS_DIR))
        continue;
      if (!limit_group(root, limits[i].file, limits[i].value, error))
        return false;
      break;
    }
  return true;
}

/* v2: a controller must be let down to the group. Who set up the root may have done so: only the result counts. One
 * that is not there limits nothing. */
static bool limit_v2(const char *cgroup_root, const char *controllers, int64_t shares, int64_t memory, GError **error)
{
  int64_t weight = 1 + (shares - SHARES_MIN) * (WEIGHT_MAX - 1) / (SHARES_MAX - SHARES_MIN); /* runtimes' formula */
  const struct {
    const char *controller, *file;
    int64_t value;
  } limits[] = { { "cpu", "cpu.weight", weight }, { "memory", "memory.max", memory } };
  g_autofree char *control = g_build_filename(cgroup_root, "cgroup.subtree_control", NULL);
  g_auto(GStrv) there = g_strsplit(controllers, " ", -1);
  for (gsize i = 0; i < G_N_ELEMENTS(limits); i++) {
    if (!g_strv_contains((const char *const *)there, limits[i].controller))
      continue;
    g_autofree char *on = g_strconcat("+", limits[i].controller, NULL);
    file_autofd int fd = open(control, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, on, strlen(on)) < 0)
      g_info("%s: %s", control, g_strerror(errno));
    if (!limit_group(cgroup_root, limits[i].file, limits[i].value, error))
      return false;
  }
  return true;
}

static Quantity quantity_of(const json_t *resources, const char *name)
{
  Quantity quantity = { .nano = 0 };
  quantity_parse(json_str(resources, name, "0"), &quantity, NULL);
  return quantity;
}

bool node_resources_enforce(const char *cgroup_root, const json_t *capacity, const PressureSettings *settings,
                            GError **error)
{
  /* what thresholds keep free is not enforced: eviction would come too late else */
  g_autoptr(json_t) allowed = reservation_allocatable(capacity, settings ? &settings->reserved : NULL, NULL);
  int64_t milli = quantity_milli(quantity_of(allowed, "cpu")), memory = quantity_value(quantity_of(allowed, "memory"));
  int64_t shares = CLAMP(milli * SHARES_PER_CPU / 1000, SHARES_MIN, SHARES_MAX);
  g_autofree char *mark = g_build_filename(cgroup_root, "cgroup.controllers", NULL);
  g_autofree char *controllers = machine_read_line(mark);
  return access(mark, F_OK) == 0 ? limit_v2(cgroup_root, controllers, shares, memory, error)
                                 : limit_v1(cgroup_root, shares, memory, error);
}
