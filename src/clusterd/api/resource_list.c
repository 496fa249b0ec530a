#include "clusterd/api/resource_list.h"

#include <string.h>

#include "base/json.h"

void resource_list_clear(ResourceList *list)
{
  for (guint i = 0; i < list->n; i++)
    g_free(list->entries[i].name);
  g_free(list->entries);
  *list = (ResourceList){ 0 };
}

/* The index of NAME, or where it would stand. */
static guint place_of(const ResourceList *list, const char *name, bool *found)
{
  guint low = 0, high = list->n;
  *found = false;
  while (low < high && !*found) {
    guint middle = low + (high - low) / 2;
    int order = strcmp(name, list->entries[middle].name);
    *found = order == 0;
    if (*found)
      low = middle;
    else if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

const Quantity *resource_list_get(const ResourceList *list, const char *name)
{
  bool found;
  guint place = place_of(list, name, &found);
  return found ? &list->entries[place].amount : NULL;
}

/* The amount of NAME, zero when it was not there. */
static Quantity *ensure(ResourceList *list, const char *name, bool *found)
{
  guint place = place_of(list, name, found);
  if (*found)
    return &list->entries[place].amount;
  if (list->n == list->allocated) {
    list->allocated = MAX(8, list->allocated * 2);
    list->entries = g_renew(ResourceEntry, list->entries, list->allocated);
  }
  memmove(list->entries + place + 1, list->entries + place, (list->n - place) * sizeof *list->entries);
  list->entries[place] = (ResourceEntry){ .name = g_strdup(name) };
  list->n++;
  return &list->entries[place].amount;
}

void resource_list_set(ResourceList *list, const char *name, Quantity amount)
{
  bool found;
  *ensure(list, name, &found) = amount;
}

ResourceList resource_list_from_json(const json_t *map)
{
  ResourceList list = { 0 };
  const char *name;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)map, name, value) {
    Quantity amount;
    g_autofree char *number = json_is_number(value) ? json_text(value) : NULL;
    const char *text = number ? number : json_string_value(value);
    if (text && quantity_parse(text, &amount, NULL))
      resource_list_set(&list, name, amount);
  }
  return list;
}

json_t *resource_list_json(const ResourceList *list)
{
  json_t *map = json_object();
  for (guint i = 0; i < list->n; i++) {
    g_autofree char *text = quantity_text(list->entries[i].amount);
    json_object_set_new(map, list->entries[i].name, json_string(text));
  }
  return map;
}

void resource_list_add(ResourceList *to, const ResourceList *from)
{
  for (guint i = 0; i < from->n; i++) {
    bool found;
    Quantity *amount = ensure(to, from->entries[i].name, &found);
    if (amount->nano == 0)
      amount->format = from->entries[i].amount.format;
    amount->nano += from->entries[i].amount.nano;
  }
}

void resource_list_subtract(ResourceList *to, const ResourceList *from)
{
  for (guint i = 0; i < from->n; i++) {
    bool found;
    Quantity *amount = ensure(to, from->entries[i].name, &found);
    if (amount->nano == 0)
      amount->format = from->entries[i].amount.format;
    amount->nano -= from->entries[i].amount.nano;
  }
}

/* Makes every amount of TO the larger of both. */
static void raise_amounts(ResourceList *to, const ResourceList *from)
{
  for (guint i = 0; i < from->n; i++) {
    bool found;
    Quantity *amount = ensure(to, from->entries[i].name, &found);
    if (!found || quantity_compare(from->entries[i].amount, *amount) > 0)
      *amount = from->entries[i].amount;
  }
}

bool resource_list_equal(const ResourceList *a, const ResourceList *b)
{
  if (a->n != b->n)
    return false;
  for (guint i = 0; i < a->n; i++)
    if (strcmp(a->entries[i].name, b->entries[i].name) != 0 ||
        quantity_compare(a->entries[i].amount, b->entries[i].amount) != 0)
      return false;
  return true;
}

Quantity resource_count(int64_t count)
{
  return (Quantity){ .nano = (__int128)count * 1000000000, .format = QUANTITY_DECIMAL_SI };
}

/* --- pods ----------------------------------------------------------------------------------------------------------
 */

static ResourceList of_container(const json_t *container, const char *member)
{
  return resource_list_from_json(json_object_get(json_object_get(container, "resources"), member));
}

static void add_overhead(ResourceList *total, const json_t *spec, bool only_present)
{
  g_auto(ResourceList) overhead = resource_list_from_json(json_object_get(spec, "overhead"));
  for (guint i = 0; i < overhead.n; i++) {
    bool found;
    if (only_present && !resource_list_get(total, overhead.entries[i].name))
      continue;
    ensure(total, overhead.entries[i].name, &found)->nano += overhead.entries[i].amount.nano;
  }
}

/* What runs while the init containers do, at most. Sidecars go on running: they count for TOTAL as well. */
static ResourceList of_init_containers(const json_t *spec, const char *member, ResourceList *total)
{
  ResourceList most = { 0 };
  g_auto(ResourceList) sidecars = { 0 };
  size_t i;
  json_t *container;
  json_array_foreach (json_object_get(spec, "initContainers"), i, container) {
    g_auto(ResourceList) own = of_container(container, member);
    if (g_str_equal(json_str(container, "restartPolicy", ""), "Always")) {
      resource_list_add(total, &own);
      resource_list_add(&sidecars, &own);
      raise_amounts(&most, &sidecars);
    } else {
      resource_list_add(&own, &sidecars);
      raise_amounts(&most, &own);
    }
  }
  return most;
}

ResourceList resource_list_of_pod(const json_t *pod, const char *member, bool overhead)
{
  const json_t *spec = json_object_get(pod, "spec");
  ResourceList total = { 0 };
  size_t i;
  json_t *container;
  json_array_foreach (json_object_get(spec, "containers"), i, container) {
    g_auto(ResourceList) own = of_container(container, member);
    resource_list_add(&total, &own);
  }
  g_auto(ResourceList) initial = of_init_containers(spec, member, &total);
  raise_amounts(&total, &initial);
  if (overhead)
    add_overhead(&total, spec, g_str_equal(member, "limits"));
  return total;
}
