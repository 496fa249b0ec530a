#include "clusterd/controllers/pods/pod_routes.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/controllers/pods/owner.h"

#define FEW_PODS 50
#define PATIENCE_US 20 /* for each pod: several times what a look at one costs */
#define PATIENCE_MAX_US ((int64_t)200 * 1000)

int64_t pod_routes_patience(Informer *pods, const char *uid)
{
  unsigned count = informer_count_by_index(pods, OWNER_INDEX_UID, uid);
  return count > FEW_PODS ? MIN((int64_t)count * PATIENCE_US, PATIENCE_MAX_US) : 0;
}

LabelSelector *pod_routes_selector(const json_t *owner, bool plain)
{
  const json_t *selector = json_at(owner, "spec", "selector", NULL);
  return plain ? label_selector_from_map(selector) : label_selector_from_json(selector, NULL);
}

/* True when OBJECT has a controller, of whatever kind. */
static bool queue_controller(const PodRoutes *routes, const Object *object)
{
  const json_t *owner = owner_of(object_json(object));
  if (owner && owner_is(owner, routes->group, routes->kind)) {
    g_autofree char *key = g_strconcat(object_namespace(object), "/", json_str(owner, "name", ""), NULL);
    work_queue_add_after(routes->queue, key, pod_routes_patience(routes->pods, json_str(owner, "uid", "")));
  }
  return owner != NULL;
}

static void queue_matching(const PodRoutes *routes, const Object *pod)
{
  const json_t *labels = json_at(object_json(pod), "metadata", "labels", NULL);
  g_autoptr(GPtrArray) owners = informer_by_index(routes->owners, POD_ROUTES_INDEX_NAMESPACE, object_namespace(pod));
  for (unsigned i = 0; i < owners->len; i++) {
    const Object *owner = g_ptr_array_index(owners, i);
    g_autoptr(LabelSelector) selector = pod_routes_selector(object_json(owner), routes->plain_selector);
    if (!selector || label_selector_is_everything(selector) || !label_selector_matches(selector, labels))
      continue;
    g_autofree char *key = informer_key(owner);
    work_queue_add(routes->queue, key);
  }
}

void pod_routes_follow(const PodRoutes *routes, Object *old, Object *new_object)
{
  if (old)
    queue_controller(routes, old);
  if (new_object && !queue_controller(routes, new_object))
    queue_matching(routes, new_object);
}
