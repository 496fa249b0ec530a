#include "clusterd/scheduler/resources.h"

#include <string.h>

#include "base/json.h"
#include "base/quantity.h"

void resources_clear(Resources *resources)
{
  if (resources->amounts)
    g_array_free(g_steal_pointer(&resources->amounts), TRUE);
}

static ResourceAmount *find(const Resources *resources, const char *name)
{
  for (unsigned i = 0; resources->amounts && i < resources->amounts->len; i++) {
    ResourceAmount *entry = &g_array_index(resources->amounts, ResourceAmount, i);
    if (entry->name == name || strcmp(entry->name, name) == 0)
      return entry;
  }
  return NULL;
}

static ResourceAmount *ensure(Resources *resources, const char *name)
{
  ResourceAmount *entry = find(resources, name);
  if (entry)
    return entry;
  if (!resources->amounts)
    resources->amounts = g_array_new(FALSE, FALSE, sizeof(ResourceAmount));
  ResourceAmount fresh = { .name = g_intern_string(name) };
  g_array_append_val(resources->amounts, fresh);
  return &g_array_index(resources->amounts, ResourceAmount, resources->amounts->len - 1);
}

Resources resources_from_json(const json_t *map)
{
  Resources resources = { 0 };
  const char *name;
  json_t *text;
  json_object_foreach ((json_t *)(uintptr_t)map, name, text) {
    Quantity quantity;
    if (json_is_string(text) && quantity_parse(json_string_value(text), &quantity, NULL))
      ensure(&resources, name)->amount = strcmp(name, "cpu") == 0 ? quantity_milli(quantity) : quantity_value(quantity);
  }
  return resources;
}

int64_t resources_get(const Resources *resources, const char *name)
{
  const ResourceAmount *entry = find(resources, name);
  return entry ? entry->amount : 0;
}

void resources_add(Resources *to, const Resources *from, int sign)
{
  for (unsigned i = 0; from->amounts && i < from->amounts->len; i++) {
    const ResourceAmount *entry = &g_array_index(from->amounts, ResourceAmount, i);
    ensure(to, entry->name)->amount += sign * entry->amount;
  }
}

void resources_raise(Resources *to, const Resources *from)
{
  for (unsigned i = 0; from->amounts && i < from->amounts->len; i++) {
    const ResourceAmount *entry = &g_array_index(from->amounts, ResourceAmount, i);
    ResourceAmount *own = ensure(to, entry->name);
    own->amount = MAX(own->amount, entry->amount);
  }
}

static Resources requests_of(const json_t *container)
{
  return resources_from_json(json_at(container, "resources", "requests", NULL));
}

Resources resources_of_pod(const json_t *pod)
{
  const json_t *spec = json_object_get(pod, "spec");
  Resources total = { 0 }, sidecars = { 0 }, initial = { 0 };
  size_t i;
  json_t *container;
  json_array_foreach (json_object_get(spec, "containers"), i, container) {
    Resources own = requests_of(container);
    resources_add(&total, &own, 1);
    resources_clear(&own);
  }
  json_array_foreach (json_object_get(spec, "initContainers"), i, container) {
    Resources own = requests_of(container);
    bool is_sidecar = strcmp(json_str(container, "restartPolicy", ""), "Always") == 0;
    if (is_sidecar)
      resources_add(&total, &own, 1);
    /* While this one starts, the sidecars before it run already. */
    Resources now = { 0 };
    resources_add(&now, &own, 1);
    resources_add(&now, &sidecars, 1);
    resources_raise(&initial, &now);
    if (is_sidecar)
      resources_add(&sidecars, &own, 1);
    resources_clear(&now);
    resources_clear(&own);
  }
  resources_raise(&total, &initial);
  Resources overhead = resources_from_json(json_object_get(spec, "overhead"));
  resources_add(&total, &overhead, 1);
  resources_clear(&overhead);
  resources_clear(&sidecars);
  resources_clear(&initial);
  return total;
}
