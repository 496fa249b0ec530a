/* Every pod runs as a service account and finds its token, the cluster's CA and its namespace in a projected volume.
 * Source: plugin/pkg/admission/serviceaccount. */
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/registry/registry_private.h"

#define MOUNT_PATH "/var/run/secrets/kubernetes.io/serviceaccount"
#define VOLUME_PREFIX "kube-api-access-"
#define TOKEN_SECONDS 3607 /* upstream's: an hour and a little, told apart from what users ask for */
/* How long a pod waits for the default account of a namespace that is younger than NAMESPACE_NEW_US. */
#define ACCOUNT_WAIT_US G_USEC_PER_SEC
#define NAMESPACE_NEW_US (10 * G_USEC_PER_SEC)
#define ENFORCE_SECRETS "kubernetes.io/enforce-mountable-secrets"
#define MIRROR "kubernetes.io/config.mirror"

/* Tells those who wait that there are new accounts. */
typedef struct Arrivals {
  Registry *registry;
  GMutex lock; /* of CHANGED */
  GCond changed;
} Arrivals;

static Object *look_up(const AdmissionRequest *request)
{
  const char *name = json_str(json_object_get(request->object, "spec"), "serviceAccountName", "");
  return admission_find(request, "", "v1", "serviceaccounts", request->target->namespace_, name);
}

/* Whether the controller may still be at making the namespace's default account. */
static bool is_new_namespace(const AdmissionRequest *request)
{
  int64_t created;
  g_autoptr(Object) namespace_ = admission_find(request, "", "v1", "namespaces", NULL, request->target->namespace_);
  const json_t *metadata = namespace_ ? json_object_get(object_json(namespace_), "metadata") : NULL;
  return timestamp_parse(json_str(metadata, "creationTimestamp", ""), &created) &&
         timestamp_now_us() - created < NAMESPACE_NEW_US;
}

/* The account, once it is there; NULL after ACCOUNT_WAIT_US. */
static Object *await(Arrivals *arrivals, const AdmissionRequest *request)
{
  int64_t until = g_get_monotonic_time() + ACCOUNT_WAIT_US;
  Object *account = NULL;
  bool waiting = true;
  g_mutex_lock(&arrivals->lock);
  while (!(account = look_up(request)) && waiting)
    waiting = g_cond_wait_until(&arrivals->changed, &arrivals->lock, until);
  g_mutex_unlock(&arrivals->lock);
  return account;
}

/* Who makes a namespace and a pod in it does not wait for the controller in between: ARRIVALS, when it is not NULL,
 * does so here. */
static bool find_account(Arrivals *arrivals, const AdmissionRequest *request, Object **account, GError **error)
{
  const char *name = json_str(json_object_get(request->object, "spec"), "serviceAccountName", "");
  const char *namespace_ = request->target->namespace_;
  *account = look_up(request);
  if (!*account && arrivals && g_str_equal(name, "default") && is_new_namespace(request))
    *account = await(arrivals, request);
  return *account ||
         admission_forbid(request, error, "error looking up service account %s/%s: serviceaccount \"%s\" not found",
                          namespace_, name, name);
}

/* --- the token -----------------------------------------------------------------------------------------------------
 */

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

/* The volume a copied pod brings along; the caller frees; NULL: none. */
static char *own_volume(const json_t *spec)
{
  size_t i;
  json_t *volume;
  json_array_foreach (json_object_get(spec, "volumes"), i, volume)
    if (g_str_has_prefix(json_str(volume, "name", ""), VOLUME_PREFIX))
      return g_strdup(json_str(volume, "name", ""));
  return NULL;
}

static char *new_volume_name(void)
{
  static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
  char suffix[6] = { 0 };
  for (int i = 0; i < 5; i++)
    suffix[i] = alphabet[g_random_int_range(0, sizeof alphabet - 1)];
  return g_strconcat(VOLUME_PREFIX, suffix, NULL);
}

static void mount_token(json_t *spec)
{
  g_autofree char *own = own_volume(spec);
  g_autofree char *volume = own ? g_strdup(own) : new_volume_name();
  bool mounted = mount_into(json_object_get(spec, "initContainers"), volume);
  mounted = mount_into(json_object_get(spec, "containers"), volume) || mounted;
  if (mounted && !own)
    json_array_append_new(ensure_array(spec, "volumes"), token_volume(volume));
}

/* --- what a pod may refer to ---------------------------------------------------------------------------------------
 */

/* Secrets of one container's environment that the account does not list. */
static bool check_environment(const AdmissionRequest *request, const char *what, const json_t *container,
                              const Object *account, GError **error)
{
  const json_t *secrets = json_object_get(object_json((Object *)(uintptr_t)account), "secrets");
  size_t i;
  json_t *entry;
  json_array_foreach (json_object_get(container, "env"), i, entry) {
    const char *name = json_str(json_at(entry, "valueFrom", "secretKeyRef", NULL), "name", NULL);
    if (name && !json_find(secrets, "name", name))
      return admission_forbid(
          request, error,
          "%s %s with envVar %s referencing secret.secretName=\"%s\" is not allowed because service "
          "account %s does not reference that secret",
          what, json_str(container, "name", ""), json_str(entry, "name", ""), name, object_name(account));
  }
  json_array_foreach (json_object_get(container, "envFrom"), i, entry) {
    const char *name = json_str(json_object_get(entry, "secretRef"), "name", NULL);
    if (name && !json_find(secrets, "name", name))
      return admission_forbid(request, error,
                              "%s %s with envFrom referencing secret.secretName=\"%s\" is not allowed because service "
                              "account %s does not reference that secret",
                              what, json_str(container, "name", ""), name, object_name(account));
  }
  return true;
}

static bool check_environments(const AdmissionRequest *request, const char *list, const char *what,
                               const Object *account, GError **error)
{
  size_t i;
  json_t *container;
  json_array_foreach (json_at(request->object, "spec", list, NULL), i, container)
    if (!check_environment(request, what, container, account, error))
      return false;
  return true;
}

static bool check_volumes(const AdmissionRequest *request, const Object *account, GError **error)
{
  const json_t *secrets = json_object_get(object_json((Object *)(uintptr_t)account), "secrets");
  size_t i;
  json_t *volume;
  json_array_foreach (json_at(request->object, "spec", "volumes", NULL), i, volume) {
    const char *name = json_str(json_object_get(volume, "secret"), "secretName", NULL);
    if (name && !json_find(secrets, "name", name))
      return admission_forbid(request, error,
                              "volume with secret.secretName=\"%s\" is not allowed because service account %s does not "
                              "reference that secret",
                              name, object_name(account));
  }
  return true;
}

static bool check_pull_secrets(const AdmissionRequest *request, const Object *account, GError **error)
{
  const json_t *secrets = json_object_get(object_json((Object *)(uintptr_t)account), "imagePullSecrets");
  size_t i;
  json_t *reference;
  json_array_foreach (json_at(request->object, "spec", "imagePullSecrets", NULL), i, reference)
    if (!json_find(secrets, "name", json_str(reference, "name", "")))
      return admission_forbid(request, error,
                              "imagePullSecrets[%zu].name=\"%s\" is not allowed because service account %s does not "
                              "reference that imagePullSecret",
                              i, json_str(reference, "name", ""), object_name(account));
  return true;
}

/* An account may ask that its pods use only the secrets it lists. */
static bool check_secrets(const AdmissionRequest *request, const Object *account, GError **error)
{
  static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True", NULL };
  const json_t *annotations = json_at(object_json((Object *)(uintptr_t)account), "metadata", "annotations", NULL);
  if (!g_strv_contains(yes, json_str(annotations, ENFORCE_SECRETS, "")))
    return true;
  return check_volumes(request, account, error) &&
         check_environments(request, "initContainers", "init container", account, error) &&
         check_environments(request, "containers", "container", account, error) &&
         check_pull_secrets(request, account, error);
}

static bool projects_token(const json_t *volume)
{
  size_t i;
  json_t *source;
  json_array_foreach (json_at(volume, "projected", "sources", NULL), i, source)
    if (json_object_get(source, "serviceAccountToken"))
      return true;
  return false;
}

static bool is_mirror(const AdmissionRequest *request)
{
  return json_at(request->object, "metadata", "annotations", MIRROR, NULL) != NULL;
}

/* The mirror of a static pod only shows it: whoever can make one must not get at secrets. */
static bool check_mirror(const AdmissionRequest *request, GError **error)
{
  const json_t *spec = json_object_get(request->object, "spec");
  size_t i;
  json_t *volume;
  if (*json_str(spec, "serviceAccountName", ""))
    return admission_forbid(request, error, "a mirror pod may not reference service accounts");
  json_array_foreach (json_object_get(spec, "volumes"), i, volume) {
    if (json_object_get(volume, "secret"))
      return admission_forbid(request, error, "a mirror pod may not reference secrets");
    if (projects_token(volume))
      return admission_forbid(request, error, "a mirror pod may not use ServiceAccountToken volume projections");
  }
  return true;
}

/* --- the plugin ----------------------------------------------------------------------------------------------------
 */

static bool mutate(void *state, AdmissionRequest *request, GError **error)
{
  g_autoptr(Object) account = NULL;
  if (!admission_creates(request, "", "pods"))
    return true;
  if (is_mirror(request))
    return check_mirror(request, error);
  json_t *spec = json_ensure_object(request->object, "spec", NULL);
  if (!*json_str(spec, "serviceAccountName", ""))
    json_object_set_new(spec, "serviceAccountName", json_string("default"));
  if (!find_account(state, request, &account, error))
    return false;
  json_object_set_new(spec, "serviceAccount", json_string(object_name(account)));
  json_t *secrets = json_object_get(object_json(account), "imagePullSecrets");
  if (wants_token(spec, object_json(account)))
    mount_token(spec);
  if (json_array_size(secrets) && !json_array_size(json_object_get(spec, "imagePullSecrets")))
    json_object_set_new(spec, "imagePullSecrets", json_deep_copy(secrets));
  return check_secrets(request, account, error);
}

/* Once more, in case a webhook has changed the account. */
static bool validate(void *state, const AdmissionRequest *request, GError **error)
{
  g_autoptr(Object) account = NULL;
  if (!admission_creates(request, "", "pods"))
    return true;
  if (is_mirror(request))
    return check_mirror(request, error);
  return find_account(NULL, request, &account, error) && check_secrets(request, account, error);
}

/* On the store's thread, after the account can be looked up. */
static void observe(Object *old, Object *object, void *data)
{
  Arrivals *arrivals = data;
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&arrivals->lock);
  if (!old)
    g_cond_broadcast(&arrivals->changed);
}

static void *create(Registry *registry)
{
  Arrivals *arrivals = g_new0(Arrivals, 1);
  arrivals->registry = registry;
  g_mutex_init(&arrivals->lock);
  g_cond_init(&arrivals->changed);
  registry_observe(registry, "", "serviceaccounts", observe, arrivals);
  return arrivals;
}

static void destroy(void *state)
{
  Arrivals *arrivals = state;
  registry_unobserve(arrivals->registry, arrivals);
  g_cond_clear(&arrivals->changed);
  g_mutex_clear(&arrivals->lock);
  g_free(arrivals);
}

const AdmissionPlugin admission_service_account = {
  .name = "ServiceAccount", .create = create, .destroy = destroy, .mutate = mutate, .validate = validate
};
