/* The node's numbers: the kernel's texts taken apart, control groups of both versions, rates, and what is kept of them.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "clusterd/node/http/prometheus.h"
#include "clusterd/node/stats/disk.h"
#include "clusterd/node/stats/node_totals.h"
#include "clusterd/node/stats/resource_metrics.h"
#include "clusterd/node/stats/sample_history.h"
#include "clusterd/node/stats/stat_text.h"

#define SECOND ((int64_t)G_USEC_PER_SEC)
#define CORE 1000000000ull /* nanoseconds of a second, nanocores of a core */

/* --- texts ---------------------------------------------------------------------------------------------------------
 */

static void test_number(void)
{
  static const struct {
    const char *text;
    bool good;
    uint64_t value;
  } rows[] = {
    { "0\n", true, 0 },
    { "123", true, 123 },
    { " 7 \n", true, 7 },
    { "max\n", true, UINT64_MAX },
    { "18446744073709551615\n", true, UINT64_MAX },
    { "18446744073709551616\n", false, 0 },
    { "99999999999999999999999999\n", false, 0 },
    { "", false, 0 },
    { "\n", false, 0 },
    { "-1\n", false, 0 },
    { "12x\n", false, 0 },
    { "1 2\n", false, 0 },
    { "maximum", false, 0 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    uint64_t value = 0;
    g_test_message("\"%s\"", rows[i].text);
    g_assert_cmpint(stat_text_number(rows[i].text, &value), ==, rows[i].good);
    if (rows[i].good)
      g_assert_cmpuint(value, ==, rows[i].value);
  }
}

static void test_field(void)
{
  static const char text[] = "anon 100\nanon_thp 5\nfile 200\n  file 7\nbad x\nhuge 18446744073709551616\nlast 9";
  uint64_t value = 1;
  g_assert_true(stat_text_field(text, "file", &value));
  g_assert_cmpuint(value, ==, 200);
  g_assert_true(stat_text_field(text, "anon_thp", &value));
  g_assert_cmpuint(value, ==, 5);
  g_assert_true(stat_text_field(text, "last", &value));
  g_assert_cmpuint(value, ==, 9);
  g_assert_false(stat_text_field(text, "ano", &value));
  g_assert_false(stat_text_field(text, "bad", &value));
  g_assert_false(stat_text_field(text, "huge", &value));
  g_assert_false(stat_text_field("", "file", &value));
  g_assert_cmpuint(value, ==, 9);
}

static void test_memory_v1(void)
{
  ResourceUsage usage = { .memory_bytes = 1000 };
  stat_text_memory_v1("cache 1\nrss 2\ntotal_cache 300\ntotal_rss 400\ntotal_mapped_file 50\ntotal_swap 6\n"
                      "total_pgfault 70\ntotal_pgmajfault 8\ninactive_file 1\ntotal_inactive_file 250\n",
                      &usage);
  g_assert_cmpuint(usage.cache_bytes, ==, 300);
  g_assert_cmpuint(usage.rss_bytes, ==, 400);
  g_assert_cmpuint(usage.mapped_bytes, ==, 50);
  g_assert_cmpuint(usage.swap_bytes, ==, 6);
  g_assert_cmpuint(usage.page_faults, ==, 70);
  g_assert_cmpuint(usage.major_page_faults, ==, 8);
  g_assert_cmpuint(usage.working_set_bytes, ==, 750);
}

static void test_memory_v2(void)
{
  ResourceUsage usage = { .memory_bytes = 1000 };
  stat_text_memory_v2("anon 400\nfile 300\nfile_mapped 50\ninactive_file 250\npgfault 70\npgmajfault 8\n", &usage);
  g_assert_cmpuint(usage.rss_bytes, ==, 400);
  g_assert_cmpuint(usage.cache_bytes, ==, 300);
  g_assert_cmpuint(usage.working_set_bytes, ==, 750);
  g_assert_cmpuint(usage.page_faults, ==, 70);
  /* the two files are read one after the other: what is inactive may be more by then */
  stat_text_memory_v2("inactive_file 2000\n", &usage);
  g_assert_cmpuint(usage.working_set_bytes, ==, 0);
}

static void test_cpu_v2(void)
{
  ResourceUsage usage = { 0 };
  stat_text_cpu_v2("usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n", &usage);
  g_assert_true(usage.has_cpu);
  g_assert_cmpuint(usage.cpu_ns, ==, 1500000);
  stat_text_cpu_v2("usage_usec 18446744073709551615\n", &usage);
  g_assert_false(usage.has_cpu);
  stat_text_cpu_v2("user_usec 1000\n", &usage);
  g_assert_false(usage.has_cpu);
}

static void test_proc(void)
{
  ResourceUsage usage = { 0 };
  int64_t boot = 0;
  uint64_t processes = 0;
  stat_text_proc_stat("cpu  100 20 30 9999 8888 4 5 6 77 88\ncpu0 1 1 1 1 1 1 1 1 0 0\nbtime 1700000000\n", 100, &usage,
                      &boot);
  g_assert_true(usage.has_cpu); /* idle and waiting are not counted, guests are in user */
  g_assert_cmpuint(usage.cpu_ns, ==, 165 * 10000000ull);
  g_assert_cmpint(boot, ==, 1700000000);
  stat_text_proc_stat("cpu  100\n", 100, &usage, &boot);
  g_assert_false(usage.has_cpu);
  stat_text_proc_stat("btime 18446744073709551615\n", 100, &usage, &boot);
  g_assert_cmpint(boot, ==, 0);
  stat_text_meminfo(
      "MemTotal:        1000 kB\nMemFree:          400 kB\nCached:           100 kB\n"
      "Inactive(file):    50 kB\nAnonPages:        200 kB\nMapped: 3 kB\nSwapTotal: 9 kB\nSwapFree: 4 kB\n",
      &usage);
  g_assert_true(usage.has_memory);
  g_assert_cmpuint(usage.memory_bytes, ==, 600 * 1024);
  g_assert_cmpuint(usage.working_set_bytes, ==, 550 * 1024);
  g_assert_cmpuint(usage.rss_bytes, ==, 200 * 1024);
  g_assert_cmpuint(usage.swap_bytes, ==, 5 * 1024);
  stat_text_meminfo("MemFree: 1 kB\n", &usage);
  g_assert_false(usage.has_memory);
  stat_text_vmstat("pgfault 11\npgmajfault 2\n", &usage);
  g_assert_cmpuint(usage.page_faults, ==, 11);
  g_assert_true(stat_text_loadavg("0.00 0.01 0.05 2/345 678\n", &processes));
  g_assert_cmpuint(processes, ==, 345);
  g_assert_false(stat_text_loadavg("0.00", &processes));
  g_assert_false(stat_text_loadavg("1/x", &processes));
}

static void test_interfaces(void)
{
  static const char text[] =
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
      "compressed\n"
      "    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0 "
      "0\n"
      "  eth0:    1500      12    3    4    0     0          0         0     2500      22    5    6    0     0       0 "
      "0\n"
      "short0: 1 2 3\n"
      "a-name-that-is-too-long: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
      ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
      "eth1:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
  g_autoptr(GArray) list = stat_text_interfaces(text);
  g_assert_cmpuint(list->len, ==, 2);
  const InterfaceUsage *first = &g_array_index(list, InterfaceUsage, 0);
  g_assert_cmpstr(first->name, ==, "eth0");
  g_assert_cmpuint(first->rx_bytes, ==, 1500);
  g_assert_cmpuint(first->rx_packets, ==, 12);
  g_assert_cmpuint(first->rx_errors, ==, 3);
  g_assert_cmpuint(first->rx_dropped, ==, 4);
  g_assert_cmpuint(first->tx_bytes, ==, 2500);
  g_assert_cmpuint(first->tx_errors, ==, 5);
  g_assert_cmpuint(first->tx_dropped, ==, 6);
  g_assert_cmpuint(g_array_index(list, InterfaceUsage, 1).tx_bytes, ==, 9);
  g_autoptr(GArray) none = stat_text_interfaces("");
  g_assert_cmpuint(none->len, ==, 0);
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static char *folder;

static void put(const char *path, const char *text)
{
  g_autofree char *full = g_build_filename(folder, path, NULL);
  g_autofree char *parent = g_path_get_dirname(full);
  g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
  g_assert_true(g_file_set_contents(full, text, -1, NULL));
}

static void begin(void)
{
  folder = g_dir_make_tmp("stats-XXXXXX", NULL);
  g_assert_nonnull(folder);
}

static void end(void)
{
  file_remove_tree(folder, NULL);
  g_clear_pointer(&folder, g_free);
}

static void test_cgroup_v1(void)
{
  ResourceUsage usage;
  begin();
  put("cpu,cpuacct/kubepods/pod1/cpuacct.usage", "5000000\n");
  put("memory/kubepods/pod1/memory.usage_in_bytes", "1000\n");
  put("memory/kubepods/pod1/memory.stat", "total_rss 400\ntotal_inactive_file 300\n");
  put("memory/kubepods/pod1/memory.limit_in_bytes", "9223372036854771712\n");
  put("pids/kubepods/pod1/pids.current", "3\n");
  put("memory/limited/memory.usage_in_bytes", "1\n");
  put("memory/limited/memory.limit_in_bytes", "67108864\n");
  g_auto(CgroupTree) tree = { 0 };
  cgroup_tree_find(&tree, folder);
  g_assert_false(tree.v2);
  g_assert_true(cgroup_read(&tree, "/kubepods/pod1", &usage));
  g_assert_true(usage.has_cpu && usage.has_memory);
  g_assert_cmpuint(usage.cpu_ns, ==, 5000000);
  g_assert_cmpuint(usage.memory_bytes, ==, 1000);
  g_assert_cmpuint(usage.working_set_bytes, ==, 700);
  g_assert_cmpuint(usage.rss_bytes, ==, 400);
  g_assert_cmpuint(usage.limit_bytes, ==, 0);
  g_assert_cmpuint(usage.processes, ==, 3);
  g_assert_cmpint(usage.time_us, >, 0);
  g_assert_true(cgroup_read(&tree, "/limited", &usage));
  g_assert_false(usage.has_cpu);
  g_assert_cmpuint(usage.limit_bytes, ==, 67108864);
  g_assert_cmpuint(usage.working_set_bytes, ==, 1);
  g_assert_false(cgroup_read(&tree, "/absent", &usage));
  end();
}

static void test_cgroup_v2(void)
{
  ResourceUsage usage;
  begin();
  put("cgroup.controllers", "cpu memory pids\n");
  put("kubepods/pod1/cpu.stat", "usage_usec 5000\n");
  put("kubepods/pod1/memory.current", "1000\n");
  put("kubepods/pod1/memory.stat", "anon 400\ninactive_file 300\n");
  put("kubepods/pod1/memory.max", "max\n");
  put("kubepods/pod1/memory.swap.current", "77\n");
  put("kubepods/pod1/pids.current", "3\n");
  g_auto(CgroupTree) tree = { 0 };
  cgroup_tree_find(&tree, folder);
  g_assert_true(tree.v2);
  g_assert_true(cgroup_read(&tree, "/kubepods/pod1", &usage));
  g_assert_cmpuint(usage.cpu_ns, ==, 5000000);
  g_assert_cmpuint(usage.working_set_bytes, ==, 700);
  g_assert_cmpuint(usage.limit_bytes, ==, 0);
  g_assert_cmpuint(usage.swap_bytes, ==, 77);
  g_assert_cmpuint(usage.processes, ==, 3);
  g_assert_false(cgroup_read(&tree, "/absent", &usage));
  end();
}

/* The root group of a machine with cgroup v2 knows no memory: /proc does. */
static void test_node_totals(void)
{
  ResourceUsage usage;
  int64_t boot;
  uint64_t most, now;
  begin();
  put("group/cgroup.controllers", "cpu memory\n");
  put("group/cpu.stat", "usage_usec 5000\n");
  put("proc/stat", "cpu  1 1 1\nbtime 1700000000\n");
  put("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 400 kB\nInactive(file): 100 kB\n");
  put("proc/vmstat", "pgfault 11\npgmajfault 2\n");
  put("proc/loadavg", "0.00 0.01 0.05 2/345 678\n");
  put("proc/sys/kernel/pid_max", "32768\n");
  g_autofree char *group = g_build_filename(folder, "group", NULL), *proc = g_build_filename(folder, "proc", NULL);
  g_auto(CgroupTree) tree = { 0 };
  cgroup_tree_find(&tree, group);
  node_totals_read(&tree, proc, &usage, &boot);
  g_assert_true(usage.has_cpu && usage.has_memory);
  g_assert_cmpuint(usage.cpu_ns, ==, 5000000);
  g_assert_cmpuint(usage.working_set_bytes, ==, 500 * 1024);
  g_assert_cmpuint(usage.page_faults, ==, 11);
  g_assert_cmpint(usage.clock_us, >, 0);
  g_assert_cmpint(boot, ==, 1700000000);
  node_totals_processes(proc, &most, &now);
  g_assert_cmpuint(most, ==, 32768);
  g_assert_cmpuint(now, ==, 345);
  /* in a machine that is a container itself, the group knows better than /proc, which shows the host's */
  put("group/memory.current", "4096\n");
  node_totals_read(&tree, proc, &usage, &boot);
  g_assert_cmpuint(usage.memory_bytes, ==, 4096);
  g_autofree char *nowhere = g_build_filename(folder, "nowhere", NULL);
  g_auto(CgroupTree) none = { 0 };
  cgroup_tree_find(&none, nowhere);
  node_totals_read(&none, nowhere, &usage, &boot);
  g_assert_false(usage.has_cpu || usage.has_memory);
  end();
}

static void test_disk(void)
{
  FileSystemUsage usage, whole;
  begin();
  g_autofree char *block = g_strnfill(100000, 'x');
  put("tree/a/one", block);
  put("tree/two", "x");
  g_autofree char *tree = g_build_filename(folder, "tree", NULL), *link = g_build_filename(tree, "link", NULL);
  g_assert_cmpint(symlink("/", link), ==, 0);
  g_assert_true(disk_file_system(folder, &whole));
  g_assert_true(disk_tree(tree, &usage));
  g_assert_cmpuint(usage.inodes_used, ==, 5); /* the folders, the files, and the link but not where it leads */
  g_assert_cmpuint(usage.used_bytes, >=, 100000);
  g_assert_cmpuint(usage.used_bytes, <, 1000000);
  g_assert_cmpuint(usage.capacity_bytes, ==, whole.capacity_bytes);
  g_assert_cmpuint(whole.available_bytes, <=, whole.capacity_bytes);
  g_autofree char *absent = g_build_filename(folder, "absent", NULL);
  g_assert_false(disk_tree(absent, &usage));
  end();
}

/* --- rates ---------------------------------------------------------------------------------------------------------
 */

static ResourceUsage at(int64_t seconds, uint64_t cpu_ns)
{
  return (ResourceUsage){ .time_us = 1000000 * SECOND + seconds * SECOND,
                          .clock_us = seconds * SECOND,
                          .has_cpu = true,
                          .has_memory = true,
                          .working_set_bytes = 4096,
                          .cpu_ns = cpu_ns };
}

static void test_rate(void)
{
  ResourceUsage before = at(10, CORE), now = at(14, 3 * CORE);
  CpuRate rate;
  g_assert_true(cpu_rate(&before, &now, &rate));
  g_assert_cmpuint(rate.nano_cores, ==, CORE / 2);
  g_assert_cmpint(rate.window_us, ==, 4 * SECOND);
  now.time_us -= 3600 * SECOND; /* somebody sets the clock: rates do not care */
  g_assert_true(cpu_rate(&before, &now, &rate));
  g_assert_cmpuint(rate.nano_cores, ==, CORE / 2);
  g_assert_false(cpu_rate(&now, &before, &rate));
  g_assert_false(cpu_rate(&before, &before, &rate));
  now.has_cpu = false;
  g_assert_false(cpu_rate(&before, &now, &rate));
  ResourceUsage old = at(0, 0), far = at(31536000, 100ull * 31536000 * CORE); /* a hundred cores for a year */
  g_assert_true(cpu_rate(&old, &far, &rate));
  g_assert_cmpuint(rate.nano_cores, ==, 100 * CORE);
  now = at(30, 10 * CORE);
  g_assert_true(cpu_rate_since(now.time_us - 20 * SECOND, &now, &rate));
  g_assert_cmpuint(rate.nano_cores, ==, CORE / 2);
  g_assert_false(cpu_rate_since(0, &now, &rate));
  g_assert_false(cpu_rate_since(now.time_us + SECOND, &now, &rate));
}

static NodeSample *sample_at(int64_t seconds)
{
  NodeSample *sample = node_sample_new();
  sample->usage = at(seconds, (uint64_t)seconds * CORE);
  return sample;
}

static int64_t base_second(const SampleHistory *history)
{
  const NodeSample *base = sample_history_base(history);
  return base ? base->usage.clock_us / SECOND : -1;
}

static void test_history(void)
{
  /* at each second somebody looks; with which look is it compared? */
  static const struct {
    int64_t second, base;
  } rows[] = { { 0, -1 },  { 1, 0 },   { 3, 0 },   { 7, 0 },   { 12, 0 }, { 18, 7 },
               { 30, 18 }, { 45, 30 }, { 60, 45 }, { 61, 45 }, { 62, 45 } };
  SampleHistory history;
  sample_history_init(&history);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    sample_history_add(&history, sample_at(rows[i].second));
    g_test_message("second %d", (int)rows[i].second);
    g_assert_cmpint(base_second(&history), ==, rows[i].base);
  }
  for (int64_t second = 70; second < 170; second += 5)
    sample_history_add(&history, sample_at(second));
  g_assert_cmpuint(history.older.length, <=, SAMPLE_HISTORY_MAX);
  g_assert_cmpint(base_second(&history), ==, 155);
  sample_history_trim(&history, 165 * SECOND + SAMPLE_USELESS_US - SECOND);
  g_assert_nonnull(history.newest);
  g_assert_cmpint(base_second(&history), ==, -1);
  sample_history_trim(&history, 165 * SECOND + SAMPLE_USELESS_US + SECOND);
  g_assert_null(history.newest);
  sample_history_clear(&history);
}

static void add_container(NodeSample *sample, const char *pod_name, const char *id, int64_t started, uint64_t cpu_ns)
{
  PodSample *pod = NULL;
  for (guint i = 0; i < sample->pods->len; i++)
    if (g_str_equal(((PodSample *)sample->pods->pdata[i])->name, pod_name))
      pod = sample->pods->pdata[i];
  if (!pod) {
    pod = pod_sample_new("default", pod_name, pod_name, "sandbox");
    g_ptr_array_add(sample->pods, pod);
  }
  ContainerSample *container = container_sample_new(id, id, "image", 1000000 * SECOND + started * SECOND);
  container->usage = at(sample->usage.clock_us / SECOND, cpu_ns);
  g_ptr_array_add(pod->containers, container);
}

static json_t *find_pod(const json_t *metrics, const char *name)
{
  return json_find(json_object_get(metrics, "pods"), "name", name);
}

static int64_t cpu_of(const json_t *metrics, const char *pod, size_t container)
{
  return json_int(json_array_get(json_object_get(find_pod(metrics, pod), "containers"), container), "cpuNanoCores", -1);
}

static void test_resource_metrics(void)
{
  g_autoptr(NodeSample) base = sample_at(100), now = sample_at(120);
  add_container(base, "old", "a", 0, 5 * CORE);
  add_container(now, "old", "a", 0, 15 * CORE);
  add_container(now, "young", "b", 105, 3 * CORE); /* started between the looks, and old enough */
  add_container(now, "fresh", "c", 111, 3 * CORE); /* nine seconds: too young to tell */
  add_container(base, "half", "d", 0, 0);
  add_container(now, "half", "d", 0, CORE);
  add_container(now, "half", "e", 115, CORE); /* one of its containers just started again */
  add_container(now, "lost", "f", 10, CORE);  /* it should have been seen before: nothing is made up */
  g_autoptr(json_t) metrics = resource_metrics_make(base, now);
  g_assert_cmpint(json_int(json_object_get(metrics, "node"), "cpuNanoCores", -1), ==, (int64_t)CORE);
  g_assert_cmpint(json_int(json_object_get(metrics, "node"), "windowUs", -1), ==, 20 * SECOND);
  g_assert_cmpint(json_int(json_object_get(metrics, "node"), "memoryBytes", -1), ==, 4096);
  g_assert_cmpint(cpu_of(metrics, "old", 0), ==, (int64_t)CORE / 2);
  g_assert_cmpint(cpu_of(metrics, "young", 0), ==, (int64_t)CORE / 5);
  g_assert_cmpint(json_int(find_pod(metrics, "young"), "windowUs", -1), ==, 15 * SECOND);
  g_assert_null(find_pod(metrics, "fresh"));
  g_assert_null(find_pod(metrics, "half"));
  g_assert_null(find_pod(metrics, "lost"));
  g_autoptr(json_t) alone = resource_metrics_make(NULL, now);
  g_assert_null(json_object_get(alone, "node"));
  g_assert_null(find_pod(alone, "old"));
  g_assert_cmpint(cpu_of(alone, "young", 0), ==, (int64_t)CORE / 5);
}

static void test_prometheus(void)
{
  static const char *const labels[] = { "a", "x", "b", "quote \" backslash \\ line\nend", NULL };
  static const char *const none[] = { NULL };
  g_autoptr(GString) text = g_string_new(NULL);
  prometheus_family(text, "things", "gauge", "What there is.");
  prometheus_sample(text, "things", labels, 1.5, 0);
  prometheus_sample(text, "things", NULL, 3e20, 1234567);
  prometheus_sample(text, "things", none, 0, 999);
  g_assert_cmpstr(text->str, ==,
                  "# HELP things What there is.\n# TYPE things gauge\n"
                  "things{a=\"x\",b=\"quote \\\" backslash \\\\ line\\nend\"} 1.5\n"
                  "things 3e+20 1234\nthings 0 0\n");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/stats/text/number", test_number);
  g_test_add_func("/stats/text/field", test_field);
  g_test_add_func("/stats/text/memory-v1", test_memory_v1);
  g_test_add_func("/stats/text/memory-v2", test_memory_v2);
  g_test_add_func("/stats/text/cpu-v2", test_cpu_v2);
  g_test_add_func("/stats/text/proc", test_proc);
  g_test_add_func("/stats/text/interfaces", test_interfaces);
  g_test_add_func("/stats/cgroup-v1", test_cgroup_v1);
  g_test_add_func("/stats/cgroup-v2", test_cgroup_v2);
  g_test_add_func("/stats/node-totals", test_node_totals);
  g_test_add_func("/stats/disk", test_disk);
  g_test_add_func("/stats/rate", test_rate);
  g_test_add_func("/stats/history", test_history);
  g_test_add_func("/stats/resource-metrics", test_resource_metrics);
  g_test_add_func("/stats/prometheus", test_prometheus);
  return g_test_run();
}
