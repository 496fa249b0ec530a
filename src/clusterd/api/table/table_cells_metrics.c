/* The columns of what is measured, as metrics-server prints them: of a pod the sum of its containers. */
#include "base/quantity.h"
#include "clusterd/api/table/cell_text.h"

static void add(Quantity *sum, const json_t *usage, const char *resource)
{
  Quantity value;
  if (!quantity_parse(json_str(usage, resource, "0"), &value, NULL))
    return;
  if (sum->nano == 0)
    sum->format = value.format;
  sum->nano += value.nano;
}

static json_t *usage_cell(const json_t *object, const char *resource)
{
  Quantity sum = { 0 };
  size_t i;
  json_t *container;
  add(&sum, json_object_get(object, "usage"), resource);
  json_array_foreach (json_object_get(object, "containers"), i, container)
    add(&sum, json_object_get(container, "usage"), resource);
  return cell_take(quantity_text(sum), "");
}

json_t *cell_metrics_cpu(const json_t *object, int64_t now_us)
{
  return usage_cell(object, "cpu");
}

json_t *cell_metrics_memory(const json_t *object, int64_t now_us)
{
  return usage_cell(object, "memory");
}
