/* Who makes an object the dependent of another can have it deleted, and who blocks its owner's deletion holds that up:
 * both need the right to do so directly. */
#include "base/json.h"
#include "clusterd/server/access/authorizer.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/registry/registry_private.h"

static bool allows(const AdmissionRequest *request, const Attributes *attributes)
{
  if (!request->registry->authorizer || !request->caller || !request->caller->identity)
    return true;
  return authorizer_allows(request->registry->authorizer, request->caller->identity, attributes);
}

static const json_t *owners_of(const json_t *object)
{
  return json_at(object, "metadata", "ownerReferences", NULL);
}

static bool blocked_before(const json_t *old, const char *uid)
{
  size_t i;
  json_t *owner;
  json_array_foreach (owners_of(old), i, owner)
    if (g_str_equal(json_str(owner, "uid", ""), uid))
      return json_flag(owner, "blockOwnerDeletion", false);
  return false;
}

static bool check_block(const AdmissionRequest *request, const json_t *owner, GError **error)
{
  g_auto(GStrv) parts = g_strsplit(json_str(owner, "apiVersion", ""), "/", 2);
  bool grouped = parts[0] && parts[1];
  const char *group = grouped ? parts[0] : "", *version = grouped ? parts[1] : json_str(owner, "apiVersion", "");
  const char *name = json_str(owner, "kind", "");
  const ApiKind *kind = api_scheme_kind(registry_scheme(request->registry), group, version, name);
  if (!kind)
    return admission_forbid(request, error,
                            "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion "
                            "%s Kind %s: no matches for kind \"%s\" in version \"%s\"",
                            json_str(owner, "apiVersion", ""), name, name, json_str(owner, "apiVersion", ""));
  Attributes attributes = { .verb = "update",
                            .group = group,
                            .resource = kind->plural,
                            .subresource = "finalizers",
                            .namespace_ = kind->namespaced ? request->target->namespace_ : NULL,
                            .name = json_str(owner, "name", "") };
  return allows(request, &attributes) ||
         admission_forbid(request, error,
                          "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set "
                          "finalizers on: , <nil>");
}

static bool validate(void *state, const AdmissionRequest *request, GError **error)
{
  const Target *target = request->target;
  if (request->operation == ADMISSION_DELETE || json_same(owners_of(request->object), owners_of(request->old)) ||
      (!request->old && json_array_size(owners_of(request->object)) == 0))
    return true;
  Attributes attributes = { .verb = "delete",
                            .group = request->kind->group,
                            .resource = request->kind->plural,
                            .subresource = target->subresource,
                            .namespace_ = target->namespace_,
                            .name = target->name };
  if (!allows(request, &attributes))
    return admission_forbid(request, error, "cannot set an ownerRef on a resource you can't delete: , <nil>");
  size_t i;
  json_t *owner;
  json_array_foreach (owners_of(request->object), i, owner)
    if (json_flag(owner, "blockOwnerDeletion", false) && !blocked_before(request->old, json_str(owner, "uid", "")) &&
        !check_block(request, owner, error))
      return false;
  return true;
}

const AdmissionPlugin admission_owner_references = { .name = "OwnerReferencesPermissionEnforcement",
                                                     .validate = validate };
