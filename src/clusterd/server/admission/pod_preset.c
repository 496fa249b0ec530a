/* Pod presets: what they hold is added to the new pods they select, all of it or nothing. Source: plugin/pkg/admission/
 * podpreset/admission.go of Kubernetes 1.19. */
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/registry/registry_private.h"

#define ANNOTATION "podpreset.admission.kubernetes.io/"
#define MIRROR_ANNOTATION "kubernetes.io/config.mirror"

/* A preset that is being added to a pod. */
typedef struct Addition {
  const char *name; /* of the preset */
  char *conflict;   /* what does not go together; NULL: nothing */
} Addition;

static json_t *find(const json_t *list, const char *key, const char *value)
{
  size_t i;
  json_t *item;
  json_array_foreach (list, i, item)
    if (g_str_equal(json_str(item, key, ""), value))
      return item;
  return NULL;
}

/* True when ITEM stands in LIST already, told by its member KEY. Something else under that key is a conflict. */
static bool is_there(Addition *addition, const json_t *list, const json_t *item, const char *what, const char *key)
{
  const char *value = json_str(item, key, "");
  const json_t *found = find(list, key, value);
  if (!found || json_same(found, item))
    return found != NULL;
  if (!addition->conflict) {
    g_autofree char *ours = json_text(item), *theirs = json_text(found);
    addition->conflict =
        g_strdup_printf("merging %s for %s has a conflict on %s%s: \n%s\n"
                        "does not match\n%s\n",
                        what, addition->name, g_str_equal(key, "mountPath") ? "mount path " : "", value, ours, theirs);
  }
  return true;
}

static json_t *list_of(json_t *object, const char *member)
{
  json_t *list = json_object_get(object, member);
  if (json_is_array(list))
    return list;
  json_object_set_new(object, member, json_array());
  return json_object_get(object, member);
}

/* Adds the preset's list MEMBER to OBJECT's. Items are told apart by KEY and, when it is not NULL, by SECOND_KEY; items
 * without a KEY are always added. */
static void add_list(Addition *addition, json_t *object, const json_t *spec, const char *member, const char *key,
                     const char *second_key)
{
  const json_t *items = json_object_get(spec, member);
  size_t i;
  json_t *item;
  if (json_array_size(items) == 0)
    return;
  json_t *list = list_of(object, member);
  json_array_foreach ((json_t *)(uintptr_t)items, i, item) {
    bool there = key && is_there(addition, list, item, member, key);
    there = (second_key && is_there(addition, list, item, member, second_key)) || there;
    if (!there)
      json_array_append_new(list, json_deep_copy(item));
  }
}

static void add_to_containers(Addition *addition, json_t *containers, const json_t *spec)
{
  size_t i;
  json_t *container;
  json_array_foreach (containers, i, container) {
    add_list(addition, container, spec, "env", "name", NULL);
    add_list(addition, container, spec, "envFrom", NULL, NULL);
    add_list(addition, container, spec, "volumeMounts", "name", "mountPath");
  }
}

/* Adds PRESET to POD (a copy). False with *CONFLICT (the caller frees) when they do not go together. */
static bool add_preset(json_t *pod, const Object *preset, char **conflict)
{
  Addition addition = { .name = object_name(preset) };
  const json_t *spec = json_object_get(object_json(preset), "spec");
  json_t *pod_spec = json_ensure_object(pod, "spec", NULL);
  add_to_containers(&addition, json_object_get(pod_spec, "containers"), spec);
  add_to_containers(&addition, json_object_get(pod_spec, "initContainers"), spec);
  add_list(&addition, pod_spec, spec, "volumes", "name", NULL);
  g_autofree char *annotation = g_strconcat(ANNOTATION "podpreset-", object_name(preset), NULL);
  g_autofree char *version = g_strdup_printf("%" G_GINT64_FORMAT, object_revision(preset));
  json_object_set_new(json_ensure_object(pod, "metadata", "annotations", NULL), annotation, json_string(version));
  *conflict = addition.conflict;
  return !*conflict;
}

/* --- which presets -------------------------------------------------------------------------------------------------
 */

typedef struct Search {
  const json_t *labels;
  GPtrArray *presets; /* Object*, by name */
} Search;

static bool collect(Object *preset, void *data)
{
  Search *search = data;
  g_autoptr(LabelSelector) selector =
      label_selector_from_json(json_at(object_json(preset), "spec", "selector", NULL), NULL);
  if (selector && label_selector_matches(selector, search->labels))
    g_ptr_array_add(search->presets, object_ref(preset));
  return false;
}

static bool wants_none(const json_t *annotations)
{
  return g_str_equal(json_str(annotations, ANNOTATION "exclude", ""), "true") ||
         json_object_get(annotations, MIRROR_ANNOTATION);
}

/* Tells of a conflict: the pod is made as if there were no presets. */
static void tell(const AdmissionRequest *request, const Object *preset, const char *conflict)
{
  const json_t *metadata = json_object_get(request->object, "metadata");
  const char *pod = admission_name(request), *namespace_ = request->target->namespace_;
  if (request->caller && request->caller->dry_run)
    return;
  g_autofree char *now = timestamp_now();
  gsize length = strlen(pod);
  while (length > 1 && pod[length - 1] == '-') /* of a name that is not made up yet */
    length--;
  g_autofree char *name =
      g_strdup_printf("%.*s.%" G_GINT64_MODIFIER "x", (int)length, pod, (guint64)timestamp_now_us());
  g_autofree char *source = g_strconcat("pip ", object_name(preset), NULL);
  g_autoptr(json_t) event = json_pack(
      "{s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}, s:s, s:s, s:s, s:{s:s}, s:s, s:s, s:i}", "metadata", "name", name,
      "namespace", namespace_, "involvedObject", "kind", "Pod", "apiVersion", "v1", "namespace", namespace_, "name",
      pod, "uid", json_str(metadata, "uid", ""), "type", "Warning", "reason", "PodPresetConflict", "message", conflict,
      "source", "component", source, "firstTimestamp", now, "lastTimestamp", now, "count", 1);
  Target target = { api_scheme_resource(registry_scheme(request->registry), "", "v1", "events"), namespace_, NULL,
                    NULL };
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) stored = registry_create(request->registry, NULL, &target, event, &error);
  if (!stored)
    g_warning("pod preset %s: %s", object_name(preset), error->message);
}

static bool mutate(void *state, AdmissionRequest *request, GError **error)
{
  if (request->operation != ADMISSION_CREATE || !admission_is_about(request, "", "pods"))
    return true;
  const ApiKind *kind =
      api_scheme_resource(registry_scheme(request->registry), "settings.k8s.io", "v1alpha1", "podpresets");
  const json_t *metadata = json_object_get(request->object, "metadata");
  if (wants_none(json_object_get(metadata, "annotations")))
    return true;
  g_autoptr(GPtrArray) presets = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  Search search = { json_object_get(metadata, "labels"), presets };
  registry_visit(request->registry, kind, request->target->namespace_, collect, &search);
  if (presets->len == 0)
    return true;
  g_autoptr(json_t) pod = json_deep_copy(request->object);
  for (guint i = 0; i < presets->len; i++) {
    g_autofree char *conflict = NULL;
    if (!add_preset(pod, presets->pdata[i], &conflict)) {
      tell(request, presets->pdata[i], conflict);
      return true;
    }
  }
  json_object_update(request->object, pod);
  return true;
}

const AdmissionPlugin admission_pod_preset = { .name = "PodPreset", .mutate = mutate };
