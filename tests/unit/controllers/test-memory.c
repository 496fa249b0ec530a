/* What stays in memory when many pods have come and gone. */
#include <glib.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "workload.h"

#define PODS 300
#define NODES 4
#define CYCLES 5
/* What the first pods may leave: a history of a thousand changes and more, and their events. With the values parsed it
 * is more than three times that. */
#define LEFT_AT_FIRST_MAX (7u << 20)
/* Of each later pod only its event stays, and what the recorder knows of it, for a while. */
#define LEFT_OF_A_POD_MAX 6144
/* Resident memory after the last cycle, above that after the second with all holes given back. */
#define GROWTH_MAX (16u << 20)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEASURABLE false /* another allocator, which keeps what is freed */
#else
#define MEASURABLE true
#endif

/* Bytes allocated and not freed. */
static size_t in_use(void)
{
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

/* Bytes of memory this process occupies. */
static size_t resident(void)
{
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  g_assert_nonnull(file);
  g_assert_cmpint(fscanf(file, "%*u %lu", &pages), ==, 1);
  fclose(file);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void scale(Cluster *cluster, int replicas)
{
  g_autofree char *spec = g_strdup_printf("{spec: {replicas: %d}}", replicas);
  cluster_patch(cluster, "apps/v1", "deployments", "web", spec);
}

static void run_cycle(Cluster *cluster)
{
  scale(cluster, PODS);
  cluster_wait(workload_has(cluster, "deployments", "web", "availableReplicas", PODS));
  scale(cluster, 0);
  cluster_wait(cluster_count(cluster, "v1", "pods", NULL) == 0);
  cluster_wait(workload_has(cluster, "deployments", "web", "replicas", 0));
}

static Cluster *make_cluster(void)
{
  Cluster *cluster = cluster_new();
  for (int i = 0; i < NODES; i++) {
    g_autofree char *name = g_strdup_printf("large-%d", i);
    cluster_add_node(cluster, name, "64", "{}");
  }
  cluster_create(cluster, "apps/v1", "deployments", true, CLUSTER_WEB);
  scale(cluster, 0);
  cluster_wait(workload_has(cluster, "deployments", "web", "replicas", 0));
  return cluster;
}

static void test_pods_come_and_go(void)
{
  if (!MEASURABLE) {
    g_test_skip("memory is not measured under a sanitizer");
    return;
  }
  g_autoptr(Cluster) cluster = make_cluster();
  size_t empty = in_use(), second_in_use = 0, second_resident = 0;
  g_test_message("empty: %zu KiB in use", empty >> 10);
  for (int cycle = 1; cycle <= CYCLES; cycle++) {
    run_cycle(cluster);
    if (cycle == 1)
      cluster_wait(in_use() <= empty + LEFT_AT_FIRST_MAX);
    g_test_message("after cycle %d: %zu KiB in use, %zu KiB resident", cycle, in_use() >> 10, resident() >> 10);
    if (cycle == 2) {
      malloc_trim(0);
      second_in_use = in_use();
      second_resident = resident();
    }
  }
  cluster_wait(in_use() <= second_in_use + (size_t)(CYCLES - 2) * PODS * LEFT_OF_A_POD_MAX);
  cluster_wait(resident() <= second_resident + GROWTH_MAX); /* once it is quiet, without anybody's asking */
  g_test_message("at last %zu KiB resident, %zu KiB after the second cycle", resident() >> 10, second_resident >> 10);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/memory/pods-come-and-go", test_pods_come_and_go);
  return g_test_run();
}
