#include "clusterd/scheduler/resources.h"

#include <string.h>

#define OTHERS_MAX 256 /* names besides the common ones on one node or in one pod; more are not looked at */

void resources_clear(Resources *resources)
{
  if (resources->others)
    g_array_free(resources->others, TRUE);
  *resources = (Resources){ 0 };
}

static int64_t *place_of(Resources *resources, const char *name)
{
  if (strcmp(name, "cpu") == 0)
    return &resources->cpu;
  if (strcmp(name, "memory") == 0)
    return &resources->memory;
  if (strcmp(name, "ephemeral-storage") == 0)
    return &resources->storage;
  if (strcmp(name, "pods") == 0)
    return &resources->pods;
  for (unsigned i = 0; resources->others && i < resources->others->len; i++) {
    ResourceAmount *entry = &g_array_index(resources->others, ResourceAmount, i);
    if (entry->name == name || strcmp(entry->name, name) == 0)
      return &entry->amount;
  }
  return NULL;
}

static void add(Resources *resources, const char *name, int64_t amount)
{
  int64_t *place = place_of(resources, name);
  if (place) {
    *place += amount;
    return;
  }
  if (!resources->others)
    resources->others = g_array_new(FALSE, FALSE, sizeof(ResourceAmount));
  if (resources->others->len == OTHERS_MAX)
    return;
  ResourceAmount entry = { .name = g_intern_string(name), .amount = amount };
  g_array_append_val(resources->others, entry);
}

Resources resources_from_list(const ResourceList *list)
{
  Resources resources = { 0 };
  for (guint i = 0; i < list->n; i++) {
    const ResourceEntry *entry = &list->entries[i];
    bool is_cpu = strcmp(entry->name, "cpu") == 0;
    add(&resources, entry->name, is_cpu ? quantity_milli(entry->amount) : quantity_value(entry->amount));
  }
  return resources;
}

int64_t resources_get(const Resources *resources, const char *name)
{
  const int64_t *place = place_of((Resources *)(uintptr_t)resources, name);
  return place ? *place : 0;
}

void resources_add(Resources *to, const Resources *from, int sign)
{
  to->cpu += sign * from->cpu;
  to->memory += sign * from->memory;
  to->storage += sign * from->storage;
  for (unsigned i = 0; from->others && i < from->others->len; i++) {
    const ResourceAmount *entry = &g_array_index(from->others, ResourceAmount, i);
    add(to, entry->name, sign * entry->amount);
  }
}

bool resources_is_nothing(const Resources *resources)
{
  bool nothing = resources->cpu == 0 && resources->memory == 0 && resources->storage == 0;
  for (unsigned i = 0; resources->others && i < resources->others->len; i++)
    nothing &= g_array_index(resources->others, ResourceAmount, i).amount == 0;
  return nothing;
}
