/* Names and amounts of resources: of containers, quotas and limit ranges. */
#include "clusterd/api/strategies/strategy_resources.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/validation.h"

static const char *const quota_resources[] = { "cpu",
                                               "memory",
                                               "ephemeral-storage",
                                               "requests.cpu",
                                               "requests.memory",
                                               "requests.storage",
                                               "requests.ephemeral-storage",
                                               "limits.cpu",
                                               "limits.memory",
                                               "limits.ephemeral-storage",
                                               "pods",
                                               "persistentvolumeclaims",
                                               "services",
                                               "replicationcontrollers",
                                               "resourcequotas",
                                               "secrets",
                                               "configmaps",
                                               "services.nodeports",
                                               "services.loadbalancers",
                                               NULL };
static const char *const container_resources[] = { "cpu", "memory", "ephemeral-storage", NULL };
static const char *const integer_resources[] = { "pods",
                                                 "persistentvolumeclaims",
                                                 "services",
                                                 "replicationcontrollers",
                                                 "resourcequotas",
                                                 "secrets",
                                                 "configmaps",
                                                 "services.nodeports",
                                                 "services.loadbalancers",
                                                 NULL };

/* A quota measures every standard resource but the size of a volume. */
static bool is_standard(const char *name)
{
  return strcmp(name, "storage") == 0 || g_strv_contains(quota_resources, name);
}

static bool is_huge_pages(const char *name)
{
  return g_str_has_prefix(name, "hugepages-") || g_str_has_prefix(name, "requests.hugepages-") ||
         g_str_has_prefix(name, "limits.hugepages-");
}

bool resource_is_native(const char *name)
{
  return !strchr(name, '/') || strstr(name, "kubernetes.io/");
}

static bool is_extended(const char *name)
{
  return !resource_is_native(name) && !g_str_has_prefix(name, "requests.");
}

bool resource_may_overcommit(const char *name)
{
  return resource_is_native(name) && !g_str_has_prefix(name, "hugepages-");
}

/* A qualified name that is standard, or has a prefix. False when it is not even qualified. */
static bool check_name(const char *name, const char *path, FieldErrors *errors)
{
  unsigned before = field_errors_count(errors);
  g_autoptr(json_t) value = json_string(name);
  api_validate_format("qualifiedName", value, path, errors);
  if (field_errors_count(errors) > before)
    return false;
  if (!strchr(name, '/') && !is_standard(name) && !is_huge_pages(name))
    field_errors_add(errors, FIELD_INVALID, path, value, "must be a standard resource type or fully qualified");
  return true;
}

void resource_check_container_name(const char *name, const char *path, FieldErrors *errors)
{
  g_autoptr(json_t) value = json_string(name);
  check_name(name, path, errors);
  if (!strchr(name, '/') && !g_strv_contains(container_resources, name) && !g_str_has_prefix(name, "hugepages-"))
    field_errors_add(errors, FIELD_INVALID, path, value, "must be a standard resource for containers");
  else if (!resource_is_native(name) && !is_extended(name))
    field_errors_add(errors, FIELD_INVALID, path, value, "doesn't follow extended resource name standard");
}

void resource_check_name(const char *name, const char *path, FieldErrors *errors)
{
  check_name(name, path, errors);
}

void resource_check_quota_name(const char *name, const char *path, FieldErrors *errors)
{
  g_autoptr(json_t) value = json_string(name);
  check_name(name, path, errors);
  if (!strchr(name, '/') && !g_strv_contains(quota_resources, name) && !is_huge_pages(name))
    field_errors_add(errors, FIELD_INVALID, path, value, "must be a standard resource for quota");
}

bool resource_is_quota_name(const char *name)
{
  return g_strv_contains(quota_resources, name) || is_huge_pages(name);
}

bool resource_amount(const json_t *list, const char *name, Quantity *amount)
{
  const char *text = json_str(list, name, "");
  return *text && quantity_parse(text, amount, NULL);
}

void resource_check_amount(const char *name, const json_t *value, const char *path, FieldErrors *errors)
{
  Quantity quantity;
  if (!json_is_string(value) || !quantity_parse(json_string_value(value), &quantity, NULL))
    return;
  if (quantity.nano < 0)
    field_errors_add(errors, FIELD_INVALID, path, value, "must be greater than or equal to 0");
  if ((g_strv_contains(integer_resources, name) || is_extended(name)) && quantity.nano % 1000000000 != 0)
    field_errors_add(errors, FIELD_INVALID, path, value, "must be an integer");
}

static void check_list(const json_t *list, const char *path, FieldErrors *errors)
{
  const char *name;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)list, name, value) {
    g_autofree char *item_path = field_path_key(path, name);
    resource_check_container_name(name, item_path, errors);
    resource_check_amount(name, value, item_path, errors);
  }
}

static void check_request(const json_t *value, const char *name, const char *path, FieldErrors *errors)
{
  const json_t *limits = json_object_get(value, "limits");
  const json_t *request = json_at(value, "requests", name, NULL);
  Quantity asked, allowed;
  if (!resource_amount(json_object_get(value, "requests"), name, &asked))
    return;
  if (!resource_amount(limits, name, &allowed)) {
    if (!resource_may_overcommit(name))
      field_errors_add_at(errors, FIELD_REQUIRED, path, "limits", NULL,
                          "Limit must be set for non overcommitable resources");
    return;
  }
  int order = quantity_compare(asked, allowed);
  if (order != 0 && !resource_may_overcommit(name))
    field_errors_add_at(errors, FIELD_INVALID, path, "requests", request, "must be equal to %s limit of %s", name,
                        json_str(limits, name, ""));
  else if (order > 0)
    field_errors_add_at(errors, FIELD_INVALID, path, "requests", request,
                        "must be less than or equal to %s limit of %s", name, json_str(limits, name, ""));
}

void validate_resources(const json_t *value, const char *path, FieldErrors *errors)
{
  const json_t *limits = json_object_get(value, "limits"), *requests = json_object_get(value, "requests");
  g_autofree char *limits_path = field_path_child(path, "limits"), *requests_path = field_path_child(path, "requests");
  const char *name;
  json_t *amount;
  bool huge = false, other = false;
  check_list(limits, limits_path, errors);
  check_list(requests, requests_path, errors);
  json_object_foreach ((json_t *)(uintptr_t)requests, name, amount) {
    check_request(value, name, path, errors);
    huge = huge || g_str_has_prefix(name, "hugepages-");
  }
  json_object_foreach ((json_t *)(uintptr_t)limits, name, amount) {
    huge = huge || g_str_has_prefix(name, "hugepages-");
  }
  other = json_object_get(limits, "cpu") || json_object_get(limits, "memory") || json_object_get(requests, "cpu") ||
          json_object_get(requests, "memory");
  if (huge && !other)
    field_errors_add(errors, FIELD_FORBIDDEN, path, NULL, "HugePages require cpu or memory");
}
