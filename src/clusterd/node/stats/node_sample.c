#include "clusterd/node/stats/node_sample.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/node/stats/node_totals.h"

static void container_sample_free(void *data)
{
  ContainerSample *container = data;
  g_free(container->id);
  g_free(container->name);
  g_free(container->image);
  g_free(container);
}

static void pod_sample_free(void *data)
{
  PodSample *pod = data;
  g_free(pod->namespace_);
  g_free(pod->name);
  g_free(pod->uid);
  g_free(pod->sandbox_id);
  g_ptr_array_unref(pod->containers);
  g_free(pod);
}

static void clear(void *data)
{
  g_ptr_array_unref(((NodeSample *)data)->pods);
}

NodeSample *node_sample_new(void)
{
  NodeSample *sample = g_atomic_rc_box_new0(NodeSample);
  sample->pods = g_ptr_array_new_with_free_func(pod_sample_free);
  return sample;
}

NodeSample *node_sample_ref(NodeSample *sample)
{
  return g_atomic_rc_box_acquire(sample);
}

void node_sample_unref(NodeSample *sample)
{
  g_atomic_rc_box_release_full(sample, clear);
}

PodSample *pod_sample_new(const char *namespace_, const char *name, const char *uid, const char *sandbox_id)
{
  PodSample *pod = g_new0(PodSample, 1);
  pod->namespace_ = g_strdup(namespace_);
  pod->name = g_strdup(name);
  pod->uid = g_strdup(uid);
  pod->sandbox_id = g_strdup(sandbox_id);
  pod->containers = g_ptr_array_new_with_free_func(container_sample_free);
  return pod;
}

ContainerSample *container_sample_new(const char *id, const char *name, const char *image, int64_t started_us)
{
  ContainerSample *container = g_new0(ContainerSample, 1);
  container->id = g_strdup(id);
  container->name = g_strdup(name);
  container->image = g_strdup(image);
  container->started_us = started_us;
  return container;
}

/* --- looking -------------------------------------------------------------------------------------------------------
 */

static void add_containers(const NodeSource *source, GPtrArray *all, PodSample *pod)
{
  Runtime *runtime = source->runtime;
  for (guint i = 0; i < all->len; i++) {
    const ContainerStatus *status = all->pdata[i];
    if (status->state != CONTAINER_RUNNING || !g_str_equal(status->sandbox_id, pod->sandbox_id))
      continue;
    g_autofree char *group = runtime->container_cgroup ? runtime->container_cgroup(runtime, status->id) : NULL;
    ContainerSample *container = container_sample_new(status->id, status->name, status->image, status->started_us);
    if (group && cgroup_read(&source->cgroups, group, &container->usage))
      g_ptr_array_add(pod->containers, container);
    else
      container_sample_free(container); /* it ended meanwhile */
  }
}

static int compare_containers(gconstpointer a, gconstpointer b)
{
  return strcmp((*(const ContainerSample *const *)a)->name, (*(const ContainerSample *const *)b)->name);
}

static int compare_pods(gconstpointer a, gconstpointer b)
{
  const PodSample *first = *(const PodSample *const *)a, *second = *(const PodSample *const *)b;
  int order = strcmp(first->namespace_, second->namespace_);
  return order ? order : strcmp(first->name, second->name);
}

/* The newest sandbox of each pod: uid → {id, …}, borrowed from SANDBOXES. */
static GHashTable *newest_sandboxes(const json_t *sandboxes)
{
  GHashTable *newest = g_hash_table_new(g_str_hash, g_str_equal);
  size_t i;
  json_t *sandbox;
  json_array_foreach (sandboxes, i, sandbox) {
    const char *uid = json_str(sandbox, "uid", "");
    const json_t *other = g_hash_table_lookup(newest, uid);
    if (!other || json_int(other, "attempt", 0) < json_int(sandbox, "attempt", 0))
      g_hash_table_replace(newest, (gpointer)(uintptr_t)uid, sandbox);
  }
  return newest;
}

static void add_pod(const NodeSource *source, GPtrArray *all, const json_t *sandbox, NodeSample *sample)
{
  Runtime *runtime = source->runtime;
  const char *id = json_str(sandbox, "id", "");
  PodSample *pod = pod_sample_new(json_str(sandbox, "namespace", ""), json_str(sandbox, "name", ""),
                                  json_str(sandbox, "uid", ""), id);
  g_autofree char *group = runtime->sandbox_cgroup ? runtime->sandbox_cgroup(runtime, id) : NULL;
  add_containers(source, all, pod);
  if (pod->containers->len == 0 || !group || !cgroup_read(&source->cgroups, group, &pod->usage)) {
    pod_sample_free(pod);
    return;
  }
  g_ptr_array_sort(pod->containers, compare_containers);
  g_ptr_array_add(sample->pods, pod);
}

NodeSample *node_sample_take(const NodeSource *source)
{
  Runtime *runtime = source->runtime;
  NodeSample *sample = node_sample_new();
  int64_t boot_seconds;
  node_totals_read(&source->cgroups, source->proc, &sample->usage, &boot_seconds);
  sample->boot_us = boot_seconds * G_USEC_PER_SEC;
  g_autoptr(json_t) sandboxes = runtime->list_sandboxes(runtime, NULL);
  g_autoptr(GPtrArray) all = runtime->list_containers(runtime, NULL, NULL);
  if (!sandboxes || !all)
    return sample;
  g_autoptr(GHashTable) newest = newest_sandboxes(sandboxes);
  GHashTableIter iter;
  gpointer sandbox;
  g_hash_table_iter_init(&iter, newest);
  while (g_hash_table_iter_next(&iter, NULL, &sandbox))
    add_pod(source, all, sandbox, sample);
  g_ptr_array_sort(sample->pods, compare_pods);
  return sample;
}

/* --- finding -------------------------------------------------------------------------------------------------------
 */

const ResourceUsage *node_sample_pod(const NodeSample *sample, const char *uid)
{
  for (guint i = 0; i < sample->pods->len; i++) {
    const PodSample *pod = sample->pods->pdata[i];
    if (g_str_equal(pod->uid, uid))
      return &pod->usage;
  }
  return NULL;
}

const ResourceUsage *node_sample_container(const NodeSample *sample, const char *id)
{
  for (guint i = 0; i < sample->pods->len; i++) {
    const PodSample *pod = sample->pods->pdata[i];
    for (guint k = 0; k < pod->containers->len; k++) {
      const ContainerSample *container = pod->containers->pdata[k];
      if (g_str_equal(container->id, id))
        return &container->usage;
    }
  }
  return NULL;
}
