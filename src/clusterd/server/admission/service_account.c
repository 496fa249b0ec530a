/* Every pod runs as a service account and finds its token, the cluster's CA and its namespace in a projected volume. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry_private.h"

#define MOUNT_PATH "/var/run/secrets/kubernetes.io/serviceaccount"
#define VOLUME_PREFIX "kube-api-access-"
#define TOKEN_SECONDS 3607 /* upstream's: an hour and a little, told apart from what users ask for */

static Object *find_account(const AdmissionRequest *request, const char *name)
{
  const ApiKind *kind = api_scheme_resource(registry_scheme(request->registry), "", "v1", "serviceaccounts");
  return registry_lookup(request->registry, kind, request->target->namespace_, name);
}

/* The pod's own word counts before the account's. */
static bool wants_token(const json_t *spec, const json_t *account)
{
  const json_t *own = json_object_get(spec, "automountServiceAccountToken");
  return json_is_boolean(own) ? json_is_true(own) : json_flag(account, "automountServiceAccountToken", true);
}

static bool has_mount(const json_t *container)
{
  size_t i;
  json_t *mount;
  json_array_foreach (json_object_get(container, "volumeMounts"), i, mount)
    if (g_str_equal(json_str(mount, "mountPath", ""), MOUNT_PATH))
      return true;
  return false;
}

static json_t *ensure_array(json_t *object, const char *member)
{
  json_t *array = json_object_get(object, member);
  if (!json_is_array(array)) {
    array = json_array();
    json_object_set_new(object, member, array);
  }
  return array;
}

/* True when at least one container of the list got the mount. */
static bool mount_into(json_t *containers, const char *volume)
{
  bool mounted = false;
  size_t i;
  json_t *container;
  json_array_foreach (containers, i, container) {
    if (has_mount(container))
      continue;
    json_array_append_new(ensure_array(container, "volumeMounts"),
                          json_pack("{s:s, s:b, s:s}", "name", volume, "readOnly", 1, "mountPath", MOUNT_PATH));
    mounted = true;
  }
  return mounted;
}

static json_t *token_volume(const char *name)
{
  json_t *token =
      json_pack("{s:{s:i, s:s}}", "serviceAccountToken", "expirationSeconds", TOKEN_SECONDS, "path", "token");
  json_t *ca = json_pack("{s:{s:s, s:[{s:s, s:s}]}}", "configMap", "name", "kube-root-ca.crt", "items", "key", "ca.crt",
                         "path", "ca.crt");
  json_t *namespace_ = json_pack("{s:{s:[{s:s, s:{s:s, s:s}}]}}", "downwardAPI", "items", "path", "namespace",
                                 "fieldRef", "apiVersion", "v1", "fieldPath", "metadata.namespace");
  return json_pack("{s:s, s:{s:[o, o, o], s:i}}", "name", name, "projected", "sources", token, ca, namespace_,
                   "defaultMode", 0644);
}

static void mount_token(json_t *spec)
{
  static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
  char suffix[6] = { 0 };
  for (int i = 0; i < 5; i++)
    suffix[i] = alphabet[g_random_int_range(0, sizeof alphabet - 1)];
  g_autofree char *volume = g_strconcat(VOLUME_PREFIX, suffix, NULL);
  bool mounted = mount_into(json_object_get(spec, "initContainers"), volume);
  if (mount_into(json_object_get(spec, "containers"), volume) || mounted)
    json_array_append_new(ensure_array(spec, "volumes"), token_volume(volume));
}

static bool mutate(void *state, AdmissionRequest *request, GError **error)
{
  if (request->operation != ADMISSION_CREATE || !admission_is_about(request, "", "pods"))
    return true;
  const json_t *metadata = json_object_get(request->object, "metadata");
  /* the mirror of a static pod is only shown, and runs as nobody */
  if (json_at(metadata, "annotations", "kubernetes.io/config.mirror", NULL))
    return true;
  json_t *spec = json_ensure_object(request->object, "spec", NULL);
  if (!*json_str(spec, "serviceAccountName", ""))
    json_object_set_new(spec, "serviceAccountName", json_string("default"));
  const char *name = json_str(spec, "serviceAccountName", "");
  g_autoptr(Object) account = find_account(request, name);
  if (!account)
    return api_error_forbidden(error, request->kind, json_str(metadata, "name", ""),
                               "error looking up service account %s/%s: serviceaccount \"%s\" not found",
                               request->target->namespace_, name, name);
  json_object_set_new(spec, "serviceAccount", json_string(name));
  json_t *secrets = json_object_get(object_json(account), "imagePullSecrets");
  if (json_array_size(secrets) && !json_array_size(json_object_get(spec, "imagePullSecrets")))
    json_object_set_new(spec, "imagePullSecrets", json_deep_copy(secrets));
  if (wants_token(spec, object_json(account)))
    mount_token(spec);
  return true;
}

const AdmissionPlugin admission_service_account = { .name = "ServiceAccount", .mutate = mutate };
