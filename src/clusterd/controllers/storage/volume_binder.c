#include <string.h>

#include "base/json.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/storage/pod_claims.h"
#include "clusterd/controllers/storage/volume_binder_private.h"

#define TELL_AGAIN_US (900 * (int64_t)G_USEC_PER_SEC) /* well below the time events are kept */

/* What was said last about a claim. */
typedef struct Told {
  char *text;
  int64_t when_us;
} Told;

static void told_free(void *pointer)
{
  Told *told = pointer;
  g_free(told->text);
  g_free(told);
}

void binder_tell(VolumeBinder *binder, const char *key, const Object *claim, const char *type, const char *reason,
                 const char *text)
{
  const Told *last = g_hash_table_lookup(binder->told, key);
  int64_t now = g_get_monotonic_time();
  g_autofree char *whole = g_strconcat(object_uid(claim), reason, text, NULL);
  if (last && strcmp(last->text, whole) == 0 && now - last->when_us < TELL_AGAIN_US)
    return;
  Told *told = g_new(Told, 1);
  *told = (Told){ .text = g_steal_pointer(&whole), .when_us = now };
  g_hash_table_insert(binder->told, g_strdup(key), told);
  recorder_event(binder->recorder, object_json((Object *)(uintptr_t)claim), NULL, type, reason, "%s", text);
  work_queue_add_after(binder->queue, key, TELL_AGAIN_US);
}

void binder_forget(VolumeBinder *binder, const char *key)
{
  g_hash_table_remove(binder->told, key);
}

static int compare_texts(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *binder_pods_of(const VolumeBinder *binder, const char *key, bool unscheduled, unsigned *count)
{
  g_autoptr(GPtrArray) pods = informer_by_index(binder->pods, PODS_BY_CLAIM, key);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  for (unsigned i = 0; i < pods->len; i++) {
    Object *pod = g_ptr_array_index(pods, i);
    if (pod_is_finished(object_json(pod)) || (unscheduled && *pod_node(object_json(pod))))
      continue;
    g_ptr_array_add(names, unscheduled ? g_strdup(object_name(pod)) : informer_key(pod));
  }
  *count = names->len;
  g_ptr_array_sort(names, compare_texts);
  g_ptr_array_add(names, NULL);
  return names->len > 1 ? g_strjoinv(",", (char **)names->pdata) : NULL;
}

/* --- what leads to work --------------------------------------------------------------------------------------------
 */

static char **one_value(char *value)
{
  char **values = g_new0(char *, 2);
  values[0] = value;
  return values;
}

static char **claim_of_volume(const Object *volume)
{
  const json_t *reference = json_at(object_json((Object *)(uintptr_t)volume), "spec", "claimRef", NULL);
  if (!reference)
    return NULL;
  return one_value(g_strdup_printf("%s/%s", json_str(reference, "namespace", ""), json_str(reference, "name", "")));
}

static char **volume_of_claim(const Object *claim)
{
  const char *name = json_str(json_object_get(object_json((Object *)(uintptr_t)claim), "spec"), "volumeName", "");
  return *name ? one_value(g_strdup(name)) : NULL;
}

static char **class_of_unbound(const Object *claim)
{
  const json_t *value = object_json((Object *)(uintptr_t)claim);
  if (volume_annotation(value, VOLUME_BIND_COMPLETED) || *json_str(json_object_get(value, "spec"), "volumeName", ""))
    return NULL;
  return one_value(g_strdup(volume_class(value)));
}

static void queue_all(const VolumeBinder *binder, Informer *informer, const char *index, const char *value)
{
  g_autoptr(GPtrArray) objects = informer_by_index(informer, index, value);
  for (unsigned i = 0; i < objects->len; i++) {
    g_autofree char *key = informer_key(g_ptr_array_index(objects, i));
    work_queue_add(binder->queue, key);
  }
}

/* Whether the binder may tie CLAIM to VOLUME: where binding waits for a pod, only once the scheduler has chosen. */
static bool may_bind(const VolumeBinder *binder, const json_t *volume, const json_t *claim, bool waits)
{
  const char *node_name = waits ? volume_annotation(claim, VOLUME_SELECTED_NODE) : NULL;
  g_autoptr(Object) node = node_name ? informer_get(binder->nodes, NULL, node_name) : NULL;
  return !json_at(claim, "metadata", "deletionTimestamp", NULL) && volume_fits(volume, claim) &&
         (!waits || (node && volume_reaches(volume, object_json(node))));
}

void binder_wake_claims(VolumeBinder *binder, const Object *volume)
{
  const json_t *value = object_json((Object *)(uintptr_t)volume);
  g_auto(GStrv) reserved = claim_of_volume(volume);
  queue_all(binder, binder->claims, CLAIMS_BY_VOLUME, object_name(volume));
  if (reserved) {
    work_queue_add(binder->queue, reserved[0]);
    return;
  }
  g_autoptr(Object) class = informer_get(binder->classes, NULL, volume_class(value));
  bool waits = class && storage_class_waits(object_json(class));
  g_autoptr(GPtrArray) claims = informer_by_index(binder->claims, CLAIMS_UNBOUND, volume_class(value));
  g_autofree char *key = NULL;
  Quantity most = { .nano = -1 }, all = volume_size(value);
  for (unsigned i = 0; i < claims->len && quantity_compare(most, all) < 0; i++) {
    Object *claim = g_ptr_array_index(claims, i);
    Quantity size = claim_size(object_json(claim));
    if (quantity_compare(size, most) <= 0 || !may_bind(binder, value, object_json(claim), waits))
      continue;
    most = size;
    g_free(key);
    key = informer_key(claim);
  }
  if (key)
    work_queue_add(binder->queue, key);
}

void binder_wake_for_rest(VolumeBinder *binder, const json_t *claim, const char *taken)
{
  g_autoptr(Object) other = volume_index_find(binder->available, claim, NULL, taken);
  if (other)
    work_queue_add(binder->queue, object_name(other));
}

static void on_claim(Object *old, Object *new_object, void *data)
{
  VolumeBinder *binder = data;
  g_autofree char *key = informer_key(new_object ? new_object : old);
  work_queue_add(binder->queue, key);
  if (new_object)
    return;
  queue_all(binder, binder->volumes, VOLUMES_BY_CLAIM, key);
  binder_wake_for_rest(binder, object_json(old), NULL);
}

static void on_volume(Object *old, Object *new_object, void *data)
{
  VolumeBinder *binder = data;
  const char *name = object_name(new_object ? new_object : old);
  if (new_object) {
    volume_index_put(binder->available, new_object);
    work_queue_add(binder->queue, name);
    return;
  }
  volume_index_remove(binder->available, name);
  queue_all(binder, binder->claims, CLAIMS_BY_VOLUME, name);
  g_auto(GStrv) claim = claim_of_volume(old);
  if (claim)
    work_queue_add(binder->queue, claim[0]);
}

/* A class that comes, or becomes the default, is what claims may wait for. */
static void on_class(Object *old, Object *new_object, void *data)
{
  VolumeBinder *binder = data;
  if (!new_object)
    return;
  queue_all(binder, binder->claims, CLAIMS_UNBOUND, object_name(new_object));
  if (storage_class_is_default(object_json(new_object)))
    queue_all(binder, binder->claims, CLAIMS_UNBOUND, "");
}

static bool reconcile(const char *key, void *data)
{
  VolumeBinder *binder = data;
  g_autofree char *namespace_ = NULL, *name = NULL;
  g_autoptr(GError) error = NULL;
  informer_split_key(key, &namespace_, &name);
  g_autoptr(Object) object = informer_get(namespace_ ? binder->claims : binder->volumes, namespace_, name);
  bool done = true;
  if (object && namespace_)
    done = claim_binding_sync(binder, key, object, &error);
  else if (object)
    done = volume_phase_sync(binder, object, &error);
  else if (namespace_)
    binder_forget(binder, key);
  if (!done)
    g_info("%s %s: %s", namespace_ ? "claim" : "volume", key, error ? error->message : "tried again");
  return done;
}

VolumeBinder *volume_binder_new(const ControllerContext *context)
{
  VolumeBinder *binder = g_new0(VolumeBinder, 1);
  binder->client = client_new(context->registry, "persistentvolume-controller");
  binder->recorder = recorder_new(binder->client, NULL);
  binder->claims = informer_set_get(context->informers, "v1", "persistentvolumeclaims");
  binder->volumes = informer_set_get(context->informers, "v1", "persistentvolumes");
  binder->classes = informer_set_get(context->informers, "storage.k8s.io/v1", "storageclasses");
  binder->pods = informer_set_get(context->informers, "v1", "pods");
  binder->nodes = informer_set_get(context->informers, "v1", "nodes");
  binder->available = volume_index_new();
  binder->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, told_free);
  binder->folders = context->config->volume_folders;
  binder->queue = work_queue_new("volume-binder", 1, reconcile, binder);
  informer_add_index(binder->volumes, VOLUMES_BY_CLAIM, claim_of_volume);
  informer_add_index(binder->claims, CLAIMS_BY_VOLUME, volume_of_claim);
  informer_add_index(binder->claims, CLAIMS_UNBOUND, class_of_unbound);
  informer_add_index(binder->pods, PODS_BY_CLAIM, pod_claims_index);
  informer_add_handler(binder->claims, on_claim, binder);
  informer_add_handler(binder->volumes, on_volume, binder);
  informer_add_handler(binder->classes, on_class, binder);
  work_queue_start(binder->queue);
  return binder;
}

void volume_binder_free(VolumeBinder *binder)
{
  work_queue_free(binder->queue);
  recorder_free(binder->recorder);
  client_free(binder->client);
  volume_index_free(binder->available);
  g_hash_table_unref(binder->told);
  g_free(binder);
}
