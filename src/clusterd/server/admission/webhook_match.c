/* Which webhooks a request concerns. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/server/admission/webhook.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry/registry_private.h"

#define GROUP "admissionregistration.k8s.io"

static bool collect(Object *object, void *data)
{
  g_ptr_array_add(data, object_ref(object));
  return false;
}

GPtrArray *webhook_configurations(Registry *registry, const char *plural)
{
  GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  const ApiKind *kind = api_scheme_resource(registry_scheme(registry), GROUP, "v1", plural);
  if (kind)
    registry_visit(registry, kind, NULL, collect, found);
  return found;
}

bool webhook_is_exempt(const AdmissionRequest *request)
{
  static const char *const plurals[] = { "mutatingwebhookconfigurations", "validatingwebhookconfigurations",
                                         "validatingadmissionpolicies", "validatingadmissionpolicybindings", NULL };
  return g_str_equal(request->target->kind->group, GROUP) && g_strv_contains(plurals, request->target->kind->plural);
}

/* --- rules ---------------------------------------------------------------------------------------------------------
 */

static bool lists(const json_t *list, const char *wanted)
{
  size_t i;
  json_t *item;
  json_array_foreach (list, i, item) {
    const char *text = json_string_value(item);
    if (text && (g_str_equal(text, "*") || g_str_equal(text, wanted)))
      return true;
  }
  return false;
}

/* One of a rule's resources: "pods", "pods/log", "pods/" followed by a star, or stars in both places. */
static bool is_resource(const char *pattern, const char *plural, const char *subresource)
{
  const char *slash = strchr(pattern, '/');
  gsize length = slash ? (gsize)(slash - pattern) : strlen(pattern);
  const char *sub = slash ? slash + 1 : "";
  bool any = length == 1 && *pattern == '*';
  return (any || (strlen(plural) == length && strncmp(pattern, plural, length) == 0)) &&
         (g_str_equal(sub, "*") || g_str_equal(sub, subresource ? subresource : ""));
}

static bool lists_resource(const json_t *list, const ApiKind *kind, const char *subresource)
{
  size_t i;
  json_t *item;
  json_array_foreach (list, i, item)
    if (json_is_string(item) && is_resource(json_string_value(item), kind->plural, subresource))
      return true;
  return false;
}

static bool is_in_scope(const json_t *rule, const ApiKind *kind)
{
  const char *scope = json_str(rule, "scope", "*");
  return g_str_equal(scope, "*") || g_str_equal(scope, kind->namespaced ? "Namespaced" : "Cluster");
}

static bool rule_matches(const json_t *rule, const AdmissionRequest *request, const ApiKind *kind)
{
  return is_in_scope(rule, kind) &&
         lists(json_object_get(rule, "operations"), admission_operation_name(request->operation)) &&
         lists(json_object_get(rule, "apiGroups"), kind->group) &&
         lists(json_object_get(rule, "apiVersions"), kind->version) &&
         lists_resource(json_object_get(rule, "resources"), kind, request->target->subresource);
}

/* The other versions of the same objects, best first; the caller frees the array. */
static GPtrArray *equivalents_of(const AdmissionRequest *request)
{
  GPtrArray *kinds = api_scheme_list(registry_scheme(request->registry));
  const ApiKind *asked = request->target->kind;
  for (guint i = kinds->len; i-- > 0;)
    if (kinds->pdata[i] == asked || registry_storage(kinds->pdata[i]) != registry_storage(asked))
      g_ptr_array_remove_index(kinds, i);
  return kinds;
}

/* The version that the first rule names which names any. */
static const ApiKind *find_equivalent(const AdmissionRequest *request, const json_t *rules)
{
  g_autoptr(GPtrArray) kinds = equivalents_of(request);
  size_t i;
  json_t *rule;
  json_array_foreach (rules, i, rule)
    for (guint j = 0; j < kinds->len; j++)
      if (rule_matches(rule, request, kinds->pdata[j]))
        return kinds->pdata[j];
  return NULL;
}

static const ApiKind *find_kind(const AdmissionRequest *request, const json_t *hook)
{
  const json_t *rules = json_object_get(hook, "rules");
  size_t i;
  json_t *rule;
  json_array_foreach (rules, i, rule)
    if (rule_matches(rule, request, request->target->kind))
      return request->target->kind;
  bool equivalent = g_str_equal(json_str(hook, "matchPolicy", "Equivalent"), "Equivalent");
  return equivalent ? find_equivalent(request, rules) : NULL;
}

/* --- selectors -----------------------------------------------------------------------------------------------------
 */

static const json_t *labels_of(const json_t *object)
{
  return json_at(object, "metadata", "labels", NULL);
}

/* The labels of the namespace the request is in. A namespace that is written is in itself. */
static bool namespace_labels(const AdmissionRequest *request, Object **namespace_, const json_t **labels,
                             GError **error)
{
  const Target *target = request->target;
  bool is_namespace = !*target->kind->group && g_str_equal(target->kind->plural, "namespaces");
  if (is_namespace && !target->subresource && request->object) {
    *labels = labels_of(request->object);
    return true;
  }
  const char *name = is_namespace ? target->name : target->namespace_;
  const ApiKind *kind = api_scheme_resource(registry_scheme(request->registry), "", "v1", "namespaces");
  *namespace_ = registry_lookup(request->registry, kind, NULL, name ? name : "");
  if (!*namespace_)
    return api_error_not_found(error, kind, name ? name : "");
  *labels = object_labels(*namespace_);
  return true;
}

/* NULL selects everything. False: with an error, or because it does not match. */
static bool namespace_matches(const AdmissionRequest *request, const json_t *hook, GError **error)
{
  const ApiKind *asked = request->target->kind;
  bool in_namespace = request->target->namespace_ || (!*asked->group && g_str_equal(asked->plural, "namespaces"));
  const json_t *wanted = json_object_get(hook, "namespaceSelector");
  if (!in_namespace || !json_object_size(wanted))
    return true;
  g_autoptr(LabelSelector) selector = label_selector_from_json(wanted, error);
  g_autoptr(Object) namespace_ = NULL;
  const json_t *labels = NULL;
  if (!selector)
    return false;
  return label_selector_is_everything(selector) ||
         (namespace_labels(request, &namespace_, &labels, error) && label_selector_matches(selector, labels));
}

static bool has_labels(const LabelSelector *selector, const json_t *object)
{
  return object && json_object_get(object, "metadata") && label_selector_matches(selector, labels_of(object));
}

static bool object_matches(const AdmissionRequest *request, const json_t *hook, GError **error)
{
  const json_t *wanted = json_object_get(hook, "objectSelector");
  if (!json_object_size(wanted))
    return true;
  g_autoptr(LabelSelector) selector = label_selector_from_json(wanted, error);
  return selector && (label_selector_is_everything(selector) || has_labels(selector, request->object) ||
                      has_labels(selector, request->old));
}

bool webhook_match(const AdmissionRequest *request, const json_t *hook, const ApiKind **kind, GError **error)
{
  g_autoptr(GError) problem = NULL;
  const ApiKind *found = find_kind(request, hook);
  *kind = NULL;
  if (found && namespace_matches(request, hook, &problem) && object_matches(request, hook, &problem))
    *kind = found;
  if (!problem)
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}
