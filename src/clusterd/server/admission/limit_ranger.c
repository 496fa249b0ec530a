/* LimitRange objects: what containers ask for when they say nothing, and the bounds for containers, pods and claims.
 * Looked at when a pod is created, since its resources do not change afterwards, and at every write of a claim.
 * Source: plugin/pkg/admission/limitranger. */
#include "base/json.h"
#include "clusterd/api/resource_list.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/registry/registry_private.h"

#define ANNOTATION "kubernetes.io/limit-ranger"
#define MILLI_MAX (INT64_MAX / 1000) /* larger values are compared in whole units */

static bool collect(Object *object, void *data)
{
  g_ptr_array_add(data, object_ref(object));
  return false;
}

/* The limit ranges of the request's namespace, by name. Array of Object*. */
static GPtrArray *ranges_of(const AdmissionRequest *request)
{
  const ApiKind *kind = api_scheme_resource(registry_scheme(request->registry), "", "v1", "limitranges");
  GPtrArray *ranges = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  registry_visit(request->registry, kind, request->target->namespace_, collect, ranges);
  return ranges;
}

static bool is_new_pod(const AdmissionRequest *request)
{
  return request->operation == ADMISSION_CREATE && admission_is_about(request, "", "pods");
}

/* --- defaults ------------------------------------------------------------------------------------------------------
 */

/* Gives CONTAINER the DEFAULTS it says nothing about in MEMBER, and tells which in NOTES. */
static void fill(json_t *container, const char *member, const ResourceList *defaults, const char *what,
                 const char *container_kind, GPtrArray *notes)
{
  g_autoptr(GString) names = g_string_new(NULL);
  for (guint i = 0; i < defaults->n; i++) {
    const ResourceEntry *entry = &defaults->entries[i];
    if (json_object_get(json_at(container, "resources", member, NULL), entry->name))
      continue;
    json_t *resources = json_ensure_object(container, "resources", member, NULL);
    g_autofree char *text = quantity_text(entry->amount);
    json_object_set_new(resources, entry->name, json_string(text));
    g_string_append_printf(names, "%s%s", names->len ? ", " : "", entry->name);
  }
  if (names->len)
    g_ptr_array_add(
        notes, g_strdup_printf("%s %s for %s %s", names->str, what, container_kind, json_str(container, "name", "")));
}

static void fill_all(json_t *spec, const char *list, const char *container_kind, const ResourceList *requests,
                     const ResourceList *limits, GPtrArray *notes)
{
  size_t i;
  json_t *container;
  json_array_foreach (json_object_get(spec, list), i, container) {
    fill(container, "requests", requests, "request", container_kind, notes);
    fill(container, "limits", limits, "limit", container_kind, notes);
  }
}

/* The defaults for containers of one limit range. Later items replace earlier ones. */
static void defaults_of(const json_t *range, ResourceList *requests, ResourceList *limits)
{
  size_t i;
  json_t *item;
  json_array_foreach (json_at(range, "spec", "limits", NULL), i, item) {
    if (!g_str_equal(json_str(item, "type", ""), "Container"))
      continue;
    g_auto(ResourceList) request = resource_list_from_json(json_object_get(item, "defaultRequest"));
    g_auto(ResourceList) limit = resource_list_from_json(json_object_get(item, "default"));
    for (guint j = 0; j < request.n; j++)
      resource_list_set(requests, request.entries[j].name, request.entries[j].amount);
    for (guint j = 0; j < limit.n; j++)
      resource_list_set(limits, limit.entries[j].name, limit.entries[j].amount);
  }
}

static void apply_defaults(json_t *pod, const json_t *range)
{
  g_auto(ResourceList) requests = { 0 };
  g_auto(ResourceList) limits = { 0 };
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  json_t *spec = json_ensure_object(pod, "spec", NULL);
  defaults_of(range, &requests, &limits);
  fill_all(spec, "containers", "container", &requests, &limits, notes);
  fill_all(spec, "initContainers", "init container", &requests, &limits, notes);
  if (notes->len == 0)
    return;
  g_ptr_array_add(notes, NULL);
  g_autofree char *joined = g_strjoinv("; ", (char **)notes->pdata);
  json_object_set_new(json_ensure_object(pod, "metadata", "annotations", NULL), ANNOTATION,
                      json_sprintf("LimitRanger plugin set: %s", joined));
}

static bool mutate(void *state, AdmissionRequest *request, GError **error)
{
  if (!is_new_pod(request))
    return true;
  g_autoptr(GPtrArray) ranges = ranges_of(request);
  for (guint i = 0; i < ranges->len; i++)
    apply_defaults(request->object, object_json(ranges->pdata[i]));
  return true;
}

/* --- bounds --------------------------------------------------------------------------------------------------------
 */

/* What one bound is checked against. */
typedef struct Check {
  const char *type; /* "Container" */
  const ResourceList *requests, *limits;
  GPtrArray *problems;
} Check;

static void complain(const Check *check, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void complain(const Check *check, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  char *text = g_strdup_vprintf(format, args);
  va_end(args);
  /* the same complaint about two containers is made once */
  if (g_ptr_array_find_with_equal_func(check->problems, text, g_str_equal, NULL))
    g_free(text);
  else
    g_ptr_array_add(check->problems, text);
}

/* An amount beyond BOUND: below it when SIGN is -1, above it when it is 1. */
static void check_amount(const Check *check, const char *bound_name, const char *what, const Quantity *amount,
                         const ResourceEntry *bound, int sign)
{
  int order = amount ? quantity_compare(*amount, bound->amount) : 0;
  if (order * sign <= 0)
    return;
  g_autofree char *limit = quantity_text(bound->amount);
  g_autofree char *given = quantity_text(*amount);
  complain(check, "%s %s usage per %s is %s, but %s is %s", bound_name, bound->name, check->type, limit, what, given);
}

static void check_minimum(const Check *check, const ResourceEntry *bound)
{
  const Quantity *request = resource_list_get(check->requests, bound->name);
  const Quantity *limit = resource_list_get(check->limits, bound->name);
  g_autofree char *text = quantity_text(bound->amount);
  if (!request)
    complain(check, "minimum %s usage per %s is %s.  No request is specified", bound->name, check->type, text);
  else if (quantity_compare(*request, bound->amount) < 0)
    check_amount(check, "minimum", "request", request, bound, -1);
  else
    check_amount(check, "minimum", "limit", limit, bound, -1);
}

static void check_maximum(const Check *check, const ResourceEntry *bound)
{
  const Quantity *request = resource_list_get(check->requests, bound->name);
  const Quantity *limit = resource_list_get(check->limits, bound->name);
  g_autofree char *text = quantity_text(bound->amount);
  if (!limit)
    complain(check, "maximum %s usage per %s is %s.  No limit is specified", bound->name, check->type, text);
  else if (quantity_compare(*limit, bound->amount) > 0)
    check_amount(check, "maximum", "limit", limit, bound, 1);
  else
    check_amount(check, "maximum", "request", request, bound, 1);
}

/* A claim has no limits. */
static void check_maximum_request(const Check *check, const ResourceEntry *bound)
{
  const Quantity *request = resource_list_get(check->requests, bound->name);
  g_autofree char *text = quantity_text(bound->amount);
  if (!request)
    complain(check, "maximum %s usage per %s is %s.  No request is specified", bound->name, check->type, text);
  else
    check_amount(check, "maximum", "request", request, bound, 1);
}

static double measure(const Quantity *amount, bool exact)
{
  return exact ? (double)quantity_milli(*amount) : (double)quantity_value(*amount);
}

static void check_ratio(const Check *check, const ResourceEntry *bound)
{
  const Quantity *request = resource_list_get(check->requests, bound->name);
  const Quantity *limit = resource_list_get(check->limits, bound->name);
  g_autofree char *text = quantity_text(bound->amount);
  if (!request || request->nano == 0) {
    complain(check, "%s max limit to request ratio per %s is %s, but no request is specified or request is 0",
             bound->name, check->type, text);
    return;
  }
  if (!limit || limit->nano == 0) {
    complain(check, "%s max limit to request ratio per %s is %s, but no limit is specified or limit is 0", bound->name,
             check->type, text);
    return;
  }
  bool exact = quantity_value(*request) <= MILLI_MAX && quantity_value(*limit) <= MILLI_MAX &&
               quantity_value(bound->amount) <= MILLI_MAX;
  double ratio = measure(limit, exact) / measure(request, exact);
  if (ratio * 1000 > (double)quantity_milli(bound->amount))
    complain(check, "%s max limit to request ratio per %s is %s, but provided ratio is %f", bound->name, check->type,
             text, ratio);
}

static void check_bounds(const Check *check, const json_t *item, const char *member,
                         void (*rule)(const Check *check, const ResourceEntry *bound))
{
  g_auto(ResourceList) bounds = resource_list_from_json(json_object_get(item, member));
  for (guint i = 0; i < bounds.n; i++)
    rule(check, &bounds.entries[i]);
}

static void check_item(const Check *check, const json_t *item)
{
  check_bounds(check, item, "min", check_minimum);
  check_bounds(check, item, "max", check_maximum);
  check_bounds(check, item, "maxLimitRequestRatio", check_ratio);
}

static void check_containers(const json_t *item, const json_t *containers, GPtrArray *problems)
{
  size_t i;
  json_t *container;
  json_array_foreach (containers, i, container) {
    g_auto(ResourceList) requests = resource_list_from_json(json_at(container, "resources", "requests", NULL));
    g_auto(ResourceList) limits = resource_list_from_json(json_at(container, "resources", "limits", NULL));
    check_item(&(Check){ "Container", &requests, &limits, problems }, item);
  }
}

static void check_pod(const json_t *item, const json_t *pod, GPtrArray *problems)
{
  const char *type = json_str(item, "type", "");
  if (g_str_equal(type, "Container")) {
    check_containers(item, json_at(pod, "spec", "containers", NULL), problems);
    check_containers(item, json_at(pod, "spec", "initContainers", NULL), problems);
  } else if (g_str_equal(type, "Pod")) {
    g_auto(ResourceList) requests = resource_list_of_pod(pod, "requests", false);
    g_auto(ResourceList) limits = resource_list_of_pod(pod, "limits", false);
    check_item(&(Check){ type, &requests, &limits, problems }, item);
  }
}

static void check_claim(const json_t *item, const json_t *claim, GPtrArray *problems)
{
  static const ResourceList none;
  const char *type = json_str(item, "type", "");
  if (!g_str_equal(type, "PersistentVolumeClaim"))
    return;
  g_auto(ResourceList) requests = resource_list_from_json(json_at(claim, "spec", "resources", "requests", NULL));
  Check check = { type, &requests, &none, problems };
  check_bounds(&check, item, "min", check_minimum);
  check_bounds(&check, item, "max", check_maximum_request);
}

static bool check_range(const AdmissionRequest *request, const json_t *range, bool is_pod, GError **error)
{
  g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
  size_t i;
  json_t *item;
  json_array_foreach (json_at(range, "spec", "limits", NULL), i, item)
    if (is_pod)
      check_pod(item, request->object, problems);
    else
      check_claim(item, request->object, problems);
  if (problems->len == 0)
    return true;
  guint n_problems = problems->len;
  g_ptr_array_add(problems, NULL);
  g_autofree char *joined = g_strjoinv(", ", (char **)problems->pdata);
  return admission_forbid(request, error, n_problems > 1 ? "[%s]" : "%s", joined);
}

static bool validate(void *state, const AdmissionRequest *request, GError **error)
{
  bool is_pod = is_new_pod(request);
  bool is_claim = request->operation != ADMISSION_DELETE && admission_is_about(request, "", "persistentvolumeclaims");
  if ((!is_pod && !is_claim) || json_at(request->old, "metadata", "deletionTimestamp", NULL))
    return true;
  g_autoptr(GPtrArray) ranges = ranges_of(request);
  for (guint i = 0; i < ranges->len; i++)
    if (!check_range(request, object_json(ranges->pdata[i]), is_pod, error))
      return false;
  return true;
}

const AdmissionPlugin admission_limit_ranger = { .name = "LimitRanger", .mutate = mutate, .validate = validate };
