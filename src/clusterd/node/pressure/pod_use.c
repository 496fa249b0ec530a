#include "clusterd/node/pressure/pod_use.h"

#include "base/json.h"

#define NANO 1000000000
#define SYSTEM_CRITICAL_PRIORITY 2000000000
#define EPHEMERAL_STORAGE "ephemeral-storage"

static void container_clear(gpointer data)
{
  g_free(((ContainerUse *)data)->name);
}

static void volume_clear(gpointer data)
{
  g_free(((VolumeUse *)data)->name);
}

PodUse *pod_use_new(json_t *pod)
{
  PodUse *use = g_new0(PodUse, 1);
  use->pod = json_incref(pod);
  use->containers = g_array_new(FALSE, TRUE, sizeof(ContainerUse));
  use->volumes = g_array_new(FALSE, TRUE, sizeof(VolumeUse));
  g_array_set_clear_func(use->containers, container_clear);
  g_array_set_clear_func(use->volumes, volume_clear);
  return use;
}

void pod_use_free(PodUse *use)
{
  if (!use)
    return;
  json_decref(use->pod);
  g_array_unref(use->containers);
  g_array_unref(use->volumes);
  g_free(use);
}

ContainerUse *pod_use_add_container(PodUse *use, const char *name)
{
  ContainerUse one = { .name = g_strdup(name) };
  g_array_append_val(use->containers, one);
  return &g_array_index(use->containers, ContainerUse, use->containers->len - 1);
}

VolumeUse *pod_use_add_volume(PodUse *use, const char *name)
{
  VolumeUse one = { .name = g_strdup(name) };
  g_array_append_val(use->volumes, one);
  return &g_array_index(use->volumes, VolumeUse, use->volumes->len - 1);
}

/* --- what pods ask for ---------------------------------------------------------------------------------------------
 */

static Quantity bytes_quantity(int64_t bytes)
{
  return (Quantity){ .nano = (__int128)bytes * NANO, .format = QUANTITY_BINARY_SI };
}

static bool read_quantity(const json_t *map, const char *key, Quantity *quantity)
{
  const char *text = json_str(map, key, NULL);
  return text && quantity_parse(text, quantity, NULL);
}

static bool container_quantity(const json_t *container, const char *section, const char *resource, Quantity *quantity)
{
  return read_quantity(json_at(container, "resources", section, NULL), resource, quantity);
}

/* Adds MORE, and takes its form when there was nothing before. */
static void add(Quantity *sum, Quantity more)
{
  if (sum->nano == 0)
    sum->format = more.format;
  sum->nano += more.nano;
}

static bool is_sidecar(const json_t *container)
{
  return g_str_equal(json_str(container, "restartPolicy", ""), "Always");
}

Quantity pod_use_asked(const json_t *pod, const char *section, const char *resource, bool *given)
{
  Quantity sum = { .nano = 0 }, sidecars = sum, most = sum, one;
  const json_t *container, *spec = json_object_get(pod, "spec");
  size_t i;
  bool any = false;
  json_array_foreach (json_object_get(spec, "containers"), i, container)
    if (container_quantity(container, section, resource, &one)) {
      add(&sum, one);
      any = true;
    }
  json_array_foreach (json_object_get(spec, "initContainers"), i, container) {
    if (!container_quantity(container, section, resource, &one))
      continue;
    any = true;
    Quantity together = sidecars;
    add(&together, one);
    if (is_sidecar(container))
      sidecars = together;
    if (quantity_compare(together, most) > 0)
      most = together;
  }
  add(&sum, sidecars);
  if (quantity_compare(most, sum) > 0)
    sum = most;
  if (sum.nano != 0 && read_quantity(json_object_get(spec, "overhead"), resource, &one))
    add(&sum, one);
  if (given)
    *given = any;
  return sum;
}

static int64_t priority_of(const json_t *pod)
{
  return json_int(json_object_get(pod, "spec"), "priority", 0);
}

bool pod_use_is_critical(const json_t *pod)
{
  const json_t *annotations = json_at(pod, "metadata", "annotations", NULL);
  const char *source = json_str(annotations, "kubernetes.io/config.source", "api");
  return !g_str_equal(source, "api") || json_object_get(annotations, "kubernetes.io/config.mirror") ||
         priority_of(pod) >= SYSTEM_CRITICAL_PRIORITY;
}

/* --- who goes first ------------------------------------------------------------------------------------------------
 */

typedef struct Ranking {
  PressureSignal signal;
  bool images_apart;
} Ranking;

/* Which parts of what the pod has on disks lie where SIGNAL is seen. */
static DiskUse disk_of(const PodUse *use, const Ranking *ranking)
{
  bool image_signal = ranking->signal == SIGNAL_IMAGE_SPACE || ranking->signal == SIGNAL_IMAGE_INODES;
  bool layers = !ranking->images_apart || image_signal, others = !ranking->images_apart || !image_signal;
  DiskUse total = { 0 };
  for (guint i = 0; i < use->containers->len; i++) {
    const ContainerUse *container = &g_array_index(use->containers, ContainerUse, i);
    total.bytes += (layers ? container->layer.bytes : 0) + (others ? container->logs.bytes : 0);
    total.inodes += (layers ? container->layer.inodes : 0) + (others ? container->logs.inodes : 0);
  }
  for (guint i = 0; others && i < use->volumes->len; i++) {
    total.bytes += g_array_index(use->volumes, VolumeUse, i).disk.bytes;
    total.inodes += g_array_index(use->volumes, VolumeUse, i).disk.inodes;
  }
  return total;
}

/* What the pod uses more than it asked for, in billionths. */
static __int128 excess(const PodUse *use, const Ranking *ranking)
{
  const char *resource = signal_resource(ranking->signal);
  int64_t used = use->memory_bytes;
  if (g_str_equal(resource, EPHEMERAL_STORAGE))
    used = disk_of(use, ranking).bytes;
  else if (g_str_equal(resource, "inodes"))
    used = disk_of(use, ranking).inodes;
  return (__int128)used * NANO - pod_use_asked(use->pod, "requests", resource, NULL).nano;
}

static int larger_first(__int128 a, __int128 b)
{
  return a > b ? -1 : a < b ? 1 : 0;
}

static gint compare(gconstpointer a, gconstpointer b, gpointer data)
{
  const PodUse *first = *(PodUse *const *)a, *second = *(PodUse *const *)b;
  const Ranking *ranking = data;
  bool processes = ranking->signal == SIGNAL_PROCESSES, unknown = !first->known || !second->known;
  __int128 first_excess = processes ? 0 : excess(first, ranking),
           second_excess = processes ? 0 : excess(second, ranking);
  int order = 0;
  if (!processes) /* those that use more than they asked for */
    order = unknown ? first->known - second->known : (second_excess > 0) - (first_excess > 0);
  if (order == 0)
    order = larger_first(priority_of(second->pod), priority_of(first->pod));
  if (order == 0 && unknown)
    order = first->known - second->known;
  if (order == 0)
    order = processes ? larger_first(first->processes, second->processes) : larger_first(first_excess, second_excess);
  return order;
}

void pod_use_rank(GPtrArray *pods, PressureSignal signal, bool images_apart)
{
  Ranking ranking = { signal, images_apart };
  g_ptr_array_sort_with_data(pods, compare, &ranking);
}

/* --- what they are told --------------------------------------------------------------------------------------------
 */

static const json_t *container_spec(const json_t *pod, const char *name)
{
  static const char *const lists[] = { "containers", "initContainers" };
  const json_t *found = NULL;
  for (gsize i = 0; !found && i < G_N_ELEMENTS(lists); i++)
    found = json_find(json_at(pod, "spec", lists[i], NULL), "name", name);
  return found;
}

/* Whether CONTAINER uses more of RESOURCE than it asked for. */
static bool is_over_request(const PodUse *use, const ContainerUse *container, const char *resource, Quantity *used,
                            Quantity *request)
{
  const json_t *spec = container_spec(use->pod, container->name);
  *request = (Quantity){ .nano = 0 };
  if (g_str_equal(resource, "memory") && container->has_memory)
    *used = bytes_quantity(container->memory_bytes);
  else if (g_str_equal(resource, EPHEMERAL_STORAGE) && container->has_disk)
    *used = bytes_quantity(container->layer.bytes + container->logs.bytes);
  else
    return false;
  container_quantity(spec, "requests", resource, request);
  return spec && quantity_compare(*used, *request) > 0;
}

static void tell_container(GString *text, const PodUse *use, const ContainerUse *container, const char *resource)
{
  Quantity used, request;
  if (!is_over_request(use, container, resource, &used, &request))
    return;
  g_autofree char *used_text = quantity_text(used), *request_text = quantity_text(request);
  g_string_append_printf(text, "Container %s was using %s, request is %s, has larger consumption of %s. ",
                         container->name, used_text, request_text, resource);
}

json_t *pod_use_annotations(const PodUse *use, const char *resource)
{
  g_autoptr(GString) names = g_string_new(NULL), amounts = g_string_new(NULL);
  for (guint i = 0; use->known && i < use->containers->len; i++) {
    const ContainerUse *container = &g_array_index(use->containers, ContainerUse, i);
    Quantity used, request;
    if (!is_over_request(use, container, resource, &used, &request))
      continue;
    g_autofree char *text = quantity_text(used);
    g_string_append_printf(names, "%s%s", names->len > 0 ? "," : "", container->name);
    g_string_append_printf(amounts, "%s%s", amounts->len > 0 ? "," : "", text);
  }
  return json_pack("{s:s, s:s, s:s}", "offending_containers", names->str, "offending_containers_usage", amounts->str,
                   "starved_resource", resource);
}

char *pod_use_message(const PodUse *use, const char *resource, const Threshold *told, const Observations *seen)
{
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "The node was low on resource: %s. ", resource);
  if (told) {
    const Observation *one = &seen->of[told->signal];
    bool decimal =
        told->signal == SIGNAL_NODE_INODES || told->signal == SIGNAL_IMAGE_INODES || told->signal == SIGNAL_PROCESSES;
    Quantity available = bytes_quantity(one->available);
    if (decimal)
      available.format = QUANTITY_DECIMAL_SI;
    g_autofree char *limit = quantity_text(threshold_quantity(&told->value, one->capacity));
    g_autofree char *left = quantity_text(available);
    g_string_append_printf(text, "Threshold quantity: %s, available: %s. ", limit, left);
  }
  for (guint i = 0; use->known && i < use->containers->len; i++)
    tell_container(text, use, &g_array_index(use->containers, ContainerUse, i), resource);
  return g_string_free(text, FALSE);
}

/* --- limits of their own -------------------------------------------------------------------------------------------
 */

/* The size an emptyDir on the disk may have. */
static bool size_limit(const json_t *volume, Quantity *limit)
{
  const json_t *empty = json_object_get(volume, "emptyDir");
  return empty && !*json_str(empty, "medium", "") && read_quantity(empty, "sizeLimit", limit) && limit->nano > 0;
}

bool pod_use_has_disk_limit(const json_t *pod)
{
  const json_t *volume;
  size_t i;
  Quantity limit;
  bool given;
  json_array_foreach (json_at(pod, "spec", "volumes", NULL), i, volume)
    if (size_limit(volume, &limit))
      return true;
  pod_use_asked(pod, "limits", EPHEMERAL_STORAGE, &given);
  return given;
}

static char *over_size_limit(const PodUse *use)
{
  const json_t *volume;
  size_t i;
  Quantity limit;
  json_array_foreach (json_at(use->pod, "spec", "volumes", NULL), i, volume) {
    const char *name = json_str(volume, "name", "");
    for (guint k = 0; k < use->volumes->len && size_limit(volume, &limit); k++) {
      const VolumeUse *one = &g_array_index(use->volumes, VolumeUse, k);
      if (!g_str_equal(one->name, name) || quantity_compare(bytes_quantity(one->disk.bytes), limit) <= 0)
        continue;
      g_autofree char *text = quantity_text(limit);
      return g_strdup_printf("Usage of EmptyDir volume \"%s\" exceeds the limit \"%s\". ", name, text);
    }
  }
  return NULL;
}

static char *over_pod_limit(const PodUse *use)
{
  bool given;
  Quantity limit = pod_use_asked(use->pod, "limits", EPHEMERAL_STORAGE, &given);
  Ranking everything = { SIGNAL_NODE_SPACE, false };
  if (!given || quantity_compare(bytes_quantity(disk_of(use, &everything).bytes), limit) <= 0)
    return NULL;
  g_autofree char *text = quantity_text(limit);
  return g_strdup_printf("Pod ephemeral local storage usage exceeds the total limit of containers %s. ", text);
}

static char *over_container_limit(const PodUse *use, bool images_apart)
{
  for (guint i = 0; i < use->containers->len; i++) {
    const ContainerUse *one = &g_array_index(use->containers, ContainerUse, i);
    const json_t *spec = json_find(json_at(use->pod, "spec", "containers", NULL), "name", one->name);
    Quantity limit;
    if (!container_quantity(spec, "limits", EPHEMERAL_STORAGE, &limit) || limit.nano == 0)
      continue;
    int64_t used = one->logs.bytes + (images_apart ? 0 : one->layer.bytes);
    if (quantity_compare(bytes_quantity(used), limit) <= 0)
      continue;
    g_autofree char *text = quantity_text(limit);
    return g_strdup_printf("Container %s exceeded its local ephemeral storage limit \"%s\". ", one->name, text);
  }
  return NULL;
}

char *pod_use_over_limit(const PodUse *use, bool images_apart)
{
  if (!use->known)
    return NULL;
  char *message = over_size_limit(use);
  if (!message)
    message = over_pod_limit(use);
  return message ? message : over_container_limit(use, images_apart);
}
