/* Claims and ingresses that name no class get the default one: of several marked as default the newest, or the first by
 * name of those of the same age. */
#include <string.h>

#include "base/json.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/registry/registry_private.h"

#define CLAIM_CLASS_BETA "volume.beta.kubernetes.io/storage-class"
#define INGRESS_CLASS_LEGACY "kubernetes.io/ingress.class"

/* The default among the classes visited. */
typedef struct Search {
  const char *const *annotations; /* any of them with the value "true" marks it */
  Object *found;                  /* a reference */
} Search;

static const char *created(const Object *object)
{
  return json_str(json_object_get(object_json((Object *)(uintptr_t)object), "metadata"), "creationTimestamp", "");
}

static bool is_marked(const Object *class, const char *const *annotations)
{
  const json_t *given = json_at(object_json((Object *)(uintptr_t) class), "metadata", "annotations", NULL);
  for (int i = 0; annotations[i]; i++)
    if (g_str_equal(json_str(given, annotations[i], ""), "true"))
      return true;
  return false;
}

/* Times in one format are ordered as their texts. Classes come by name, so the first of one age stays. */
static bool look_at(Object *class, void *data)
{
  Search *search = data;
  if (!is_marked(class, search->annotations) || (search->found && strcmp(created(class), created(search->found)) <= 0))
    return false;
  if (search->found)
    object_unref(search->found);
  search->found = object_ref(class);
  return false;
}

static Object *find_default(const AdmissionRequest *request, const char *group, const char *plural,
                            const char *const *annotations)
{
  Search search = { .annotations = annotations };
  const ApiKind *kind = api_scheme_resource(registry_scheme(request->registry), group, "v1", plural);
  registry_visit(request->registry, kind, NULL, look_at, &search);
  return search.found;
}

static bool set_storage_class(void *state, AdmissionRequest *request, GError **error)
{
  static const char *const annotations[] = { "storageclass.kubernetes.io/is-default-class",
                                             "storageclass.beta.kubernetes.io/is-default-class", NULL };
  if (!admission_creates(request, "", "persistentvolumeclaims"))
    return true;
  json_t *spec = json_ensure_object(request->object, "spec", NULL);
  /* "" is a class as well: none */
  if (json_is_string(json_object_get(spec, "storageClassName")) ||
      json_at(request->object, "metadata", "annotations", CLAIM_CLASS_BETA, NULL))
    return true;
  g_autoptr(Object) class = find_default(request, "storage.k8s.io", "storageclasses", annotations);
  if (class)
    json_object_set_new(spec, "storageClassName", json_string(object_name(class)));
  return true;
}

static bool set_ingress_class(void *state, AdmissionRequest *request, GError **error)
{
  static const char *const annotations[] = { "ingressclass.kubernetes.io/is-default-class", NULL };
  if (!admission_creates(request, "networking.k8s.io", "ingresses"))
    return true;
  json_t *spec = json_ensure_object(request->object, "spec", NULL);
  if (json_is_string(json_object_get(spec, "ingressClassName")) ||
      json_at(request->object, "metadata", "annotations", INGRESS_CLASS_LEGACY, NULL))
    return true;
  g_autoptr(Object) class = find_default(request, "networking.k8s.io", "ingressclasses", annotations);
  if (class)
    json_object_set_new(spec, "ingressClassName", json_string(object_name(class)));
  return true;
}

const AdmissionPlugin admission_default_storage_class = { .name = "DefaultStorageClass", .mutate = set_storage_class };
const AdmissionPlugin admission_default_ingress_class = { .name = "DefaultIngressClass", .mutate = set_ingress_class };
