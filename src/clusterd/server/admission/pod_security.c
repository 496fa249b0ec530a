/* The labels of a namespace say which Pod Security Standard its pods must keep to (enforce), and which one a warning or
 * a note in the audit log tells of. Source: https://kubernetes.io/docs/concepts/security/pod-security-admission/ */
#include "clusterd/server/admission/pod_security.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/field_errors.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/registry/registry_private.h"

#define LABEL_PREFIX "pod-security.kubernetes.io/"
/* Bounds of the check of what runs in a namespace that gets a new policy. */
#define EXISTING_PODS_MAX 3000
#define EXISTING_PODS_US G_USEC_PER_SEC
#define MINOR_DIGITS_MAX 9

typedef struct NamespacePolicy {
  PodSecurityPolicy enforce, audit, warn;
} NamespacePolicy;

/* --- labels --------------------------------------------------------------------------------------------------------
 */

static bool parse_level(const char *text, PodSecurityLevel *level)
{
  static const char *const levels[] = { "privileged", "baseline", "restricted" };
  for (gsize i = 0; i < G_N_ELEMENTS(levels); i++)
    if (g_str_equal(text, levels[i])) {
      *level = (PodSecurityLevel)i;
      return true;
    }
  return false;
}

/* "latest", "v1.24" */
static bool parse_version(const char *text, int *minor)
{
  guint64 number;
  *minor = POD_SECURITY_LATEST;
  if (g_str_equal(text, "latest"))
    return true;
  const char *digits = g_str_has_prefix(text, "v1.") ? text + 3 : "";
  bool canonical = g_ascii_isdigit(*digits) && (*digits != '0' || !digits[1]) && strlen(digits) <= MINOR_DIGITS_MAX;
  if (!canonical || !g_ascii_string_to_unsigned(digits, 10, 0, G_MAXINT, &number, NULL))
    return false;
  *minor = (int)number;
  return true;
}

static void read_mode(const json_t *labels, const char *mode, PodSecurityLevel when_wrong, PodSecurityPolicy *policy,
                      FieldErrors *errors)
{
  g_autofree char *level_key = g_strconcat(LABEL_PREFIX, mode, NULL);
  g_autofree char *version_key = g_strconcat(LABEL_PREFIX, mode, "-version", NULL);
  const json_t *level = json_object_get(labels, level_key);
  const json_t *version = json_object_get(labels, version_key);
  *policy = (PodSecurityPolicy){ POD_SECURITY_PRIVILEGED, POD_SECURITY_LATEST };
  if (json_is_string(level) && !parse_level(json_string_value(level), &policy->level)) {
    g_autofree char *path = field_path_key("metadata.labels", level_key);
    field_errors_add(errors, FIELD_INVALID, path, level, "must be one of privileged, baseline, restricted");
    policy->level = when_wrong;
  }
  if (json_is_string(version) && !parse_version(json_string_value(version), &policy->minor)) {
    g_autofree char *path = field_path_key("metadata.labels", version_key);
    field_errors_add(errors, FIELD_INVALID, path, version, "must be \"latest\" or \"v1.x\"");
  }
}

/* Unless the labels say otherwise, what will be refused of a pod is warned of when its deployment is made. */
static void warn_of_enforced(const json_t *labels, NamespacePolicy *policy)
{
  PodSecurityLevel said;
  if (json_object_get(labels, LABEL_PREFIX "warn") ||
      !parse_level(json_str(labels, LABEL_PREFIX "enforce", ""), &said) || said <= policy->warn.level)
    return;
  policy->warn.level = said;
  if (!json_object_get(labels, LABEL_PREFIX "warn-version"))
    policy->warn.minor = policy->enforce.minor;
}

/* The policy NAMESPACE_'s labels ask for; what is wrong in them goes to ERRORS and counts as strict for what is
 * enforced, as nothing for the rest. */
static NamespacePolicy read_policy(const json_t *namespace_, FieldErrors *errors)
{
  NamespacePolicy policy;
  const json_t *labels = json_at(namespace_, "metadata", "labels", NULL);
  read_mode(labels, "enforce", POD_SECURITY_RESTRICTED, &policy.enforce, errors);
  read_mode(labels, "audit", POD_SECURITY_PRIVILEGED, &policy.audit, errors);
  read_mode(labels, "warn", POD_SECURITY_PRIVILEGED, &policy.warn, errors);
  warn_of_enforced(labels, &policy);
  return policy;
}

static void warn(const AdmissionRequest *request, char *text)
{
  if (request->caller && request->caller->warnings)
    json_array_append_new(request->caller->warnings, json_string(text));
  g_free(text);
}

static void annotate(const AdmissionRequest *request, const char *key, const char *text)
{
  if (request->caller && request->caller->annotations)
    json_object_set_new(request->caller->annotations, key, json_string(text));
}

/* --- pods ----------------------------------------------------------------------------------------------------------
 */

static bool is_core(const AdmissionRequest *request, const char *plural)
{
  return !*request->kind->group && g_str_equal(request->kind->plural, plural);
}

static const json_t *container_named(const json_t *pod, const char *list, const char *name)
{
  return json_find(json_at(pod, "spec", list, NULL), "name", name);
}

/* Images, and containers that were not there: nothing else of a pod that matters can change. */
static bool changes_matter(const json_t *pod, const json_t *old)
{
  static const char *const lists[] = { "containers", "initContainers", "ephemeralContainers" };
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
    size_t index;
    json_t *container;
    json_array_foreach (json_at(pod, "spec", lists[i], NULL), index, container) {
      const json_t *before = container_named(old, lists[i], json_str(container, "name", ""));
      if (!before || !json_same(json_object_get(container, "image"), json_object_get(before, "image")))
        return true;
    }
  }
  return !json_same(json_at(pod, "metadata", "annotations", NULL), json_at(old, "metadata", "annotations", NULL));
}

/* What is wrong with labels is told in the audit log; who set them heard of it then. */
static void note_errors(const AdmissionRequest *request, const FieldErrors *errors)
{
  static const char head[] = "Namespace \"\" is invalid: ";
  g_autoptr(GError) problem = NULL;
  if (field_errors_finish(errors, "Namespace", "", "", &problem))
    return;
  g_autofree char *text = g_strconcat("Failed to parse policy: ", problem->message + strlen(head), NULL);
  annotate(request, LABEL_PREFIX "error", text);
}

/* The namespace's policy; false when there is nothing to check. */
static bool find_policy(const AdmissionRequest *request, NamespacePolicy *policy)
{
  const ApiKind *kind = api_scheme_resource(registry_scheme(request->registry), "", "v1", "namespaces");
  g_autoptr(Object) namespace_ = registry_lookup(request->registry, kind, NULL, request->target->namespace_);
  g_autoptr(FieldErrors) errors = field_errors_new();
  *policy = read_policy(namespace_ ? object_json(namespace_) : NULL, errors);
  note_errors(request, errors);
  return policy->enforce.level || policy->audit.level || policy->warn.level;
}

static void warn_of(const AdmissionRequest *request, PodSecurityPolicy policy, const json_t *pod)
{
  if (!request->caller || !request->caller->warnings)
    return;
  g_autofree char *violations = pod_security_violations(policy, pod, true);
  g_autofree char *text = pod_security_policy_text(policy);
  if (violations)
    warn(request, g_strdup_printf("would violate PodSecurity \"%s\": %s", text, violations));
}

/* The same for the audit log. */
static void note_violations(const AdmissionRequest *request, PodSecurityPolicy policy, const json_t *pod)
{
  if (!request->caller || !request->caller->annotations)
    return;
  g_autofree char *violations = pod_security_violations(policy, pod, true);
  g_autofree char *name = pod_security_policy_text(policy);
  if (!violations)
    return;
  g_autofree char *text = g_strdup_printf("would violate PodSecurity \"%s\": %s", name, violations);
  annotate(request, LABEL_PREFIX "audit-violations", text);
}

static bool check_pod(const AdmissionRequest *request, GError **error)
{
  NamespacePolicy policy;
  const char *subresource = request->target->subresource;
  bool relevant = !subresource || g_str_equal(subresource, "ephemeralcontainers") || g_str_equal(subresource, "resize");
  if (!relevant || (request->old && !changes_matter(request->object, request->old)))
    return true;
  bool restrained = find_policy(request, &policy);
  g_autofree char *text = pod_security_policy_text(policy.enforce);
  annotate(request, LABEL_PREFIX "enforce-policy", restrained ? text : "privileged:latest");
  if (!restrained)
    return true;
  g_autofree char *violations = pod_security_violations(policy.enforce, request->object, true);
  note_violations(request, policy.audit, request->object);
  if (!violations) {
    warn_of(request, policy.warn, request->object);
    return true;
  }
  return admission_forbid(request, error, "violates PodSecurity \"%s\": %s", text, violations);
}

/* The pod template in what makes pods; NULL: REQUEST is about something else, or has none. */
static const json_t *template_of(const AdmissionRequest *request)
{
  static const char *const kinds[][2] = { { "", "replicationcontrollers" }, { "apps", "replicasets" },
                                          { "apps", "deployments" },        { "apps", "statefulsets" },
                                          { "apps", "daemonsets" },         { "batch", "jobs" } };
  if (is_core(request, "podtemplates"))
    return json_object_get(request->object, "template");
  if (g_str_equal(request->kind->group, "batch") && g_str_equal(request->kind->plural, "cronjobs"))
    return json_at(request->object, "spec", "jobTemplate", "spec", "template", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (g_str_equal(request->kind->group, kinds[i][0]) && g_str_equal(request->kind->plural, kinds[i][1]))
      return json_at(request->object, "spec", "template", NULL);
  return NULL;
}

/* --- namespaces ----------------------------------------------------------------------------------------------------
 */

/* Pods that break the same rules. */
typedef struct Offence {
  const char *first; /* the least of their names */
  unsigned count;
} Offence;

static bool collect(Object *object, void *data)
{
  g_ptr_array_add(data, object_ref(object));
  return false;
}

static void note_offence(GHashTable *offences, const Object *pod, char *violations)
{
  Offence *offence = g_hash_table_lookup(offences, violations);
  if (!offence) {
    offence = g_new0(Offence, 1);
    offence->first = object_name(pod);
    g_hash_table_insert(offences, g_strdup(violations), offence);
  }
  if (strcmp(object_name(pod), offence->first) < 0)
    offence->first = object_name(pod);
  offence->count++;
  g_free(violations);
}

/* Checks PODS until the time is up; how many were checked. */
static guint find_offences(GPtrArray *pods, PodSecurityPolicy policy, GHashTable *offences)
{
  int64_t until = g_get_monotonic_time() + EXISTING_PODS_US;
  guint checked = 0;
  while (checked < MIN(pods->len, EXISTING_PODS_MAX) && g_get_monotonic_time() < until) {
    const Object *pod = pods->pdata[checked++];
    char *violations = pod_security_violations(policy, object_json(pod), false);
    if (violations)
      note_offence(offences, pod, violations);
  }
  return checked;
}

static int compare_texts(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void warn_of_offences(const AdmissionRequest *request, GHashTable *offences)
{
  g_autoptr(GPtrArray) texts = g_ptr_array_new();
  GHashTableIter iterator;
  void *violations, *value;
  g_hash_table_iter_init(&iterator, offences);
  while (g_hash_table_iter_next(&iterator, &violations, &value)) {
    const Offence *offence = value;
    if (offence->count == 1)
      g_ptr_array_add(texts, g_strdup_printf("%s: %s", offence->first, (const char *)violations));
    else
      g_ptr_array_add(texts, g_strdup_printf("%s (and %u other pod%s): %s", offence->first, offence->count - 1,
                                             offence->count == 2 ? "" : "s", (const char *)violations));
  }
  g_ptr_array_sort(texts, compare_texts);
  for (guint i = 0; i < texts->len; i++)
    warn(request, texts->pdata[i]);
}

/* Tells of the pods that run already and would not be let in any more. */
static void check_existing(const AdmissionRequest *request, PodSecurityPolicy policy)
{
  const char *name = request->target->name;
  const ApiKind *kind = api_scheme_resource(registry_scheme(request->registry), "", "v1", "pods");
  g_autoptr(GPtrArray) pods = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
  g_autoptr(GHashTable) offences = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  registry_visit(request->registry, kind, name, collect, pods);
  guint checked = find_offences(pods, policy, offences);
  if (checked < pods->len)
    warn(request, g_strdup_printf("new PodSecurity enforce level only checked against the first %u of %u existing pods",
                                  checked, pods->len));
  if (g_hash_table_size(offences) == 0)
    return;
  g_autofree char *text = pod_security_policy_text(policy);
  warn(request, g_strdup_printf("existing pods in namespace \"%s\" violate the new PodSecurity enforce level \"%s\"",
                                name, text));
  warn_of_offences(request, offences);
}

/* A policy that was wrong before may stay as it is. */
static bool check_namespace(const AdmissionRequest *request, GError **error)
{
  g_autoptr(FieldErrors) errors = field_errors_new();
  g_autoptr(FieldErrors) old_errors = field_errors_new();
  g_autoptr(GError) problem = NULL;
  g_autoptr(GError) old_problem = NULL;
  const char *name = json_str(json_object_get(request->object, "metadata"), "name", "");
  PodSecurityPolicy now = read_policy(request->object, errors).enforce;
  PodSecurityPolicy before = read_policy(request->old, old_errors).enforce;
  bool valid = field_errors_finish(errors, "Namespace", "", name, &problem);
  bool old_valid = field_errors_finish(old_errors, "Namespace", "", name, &old_problem);
  if (!valid && (!request->old || old_valid || !g_str_equal(problem->message, old_problem->message))) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  bool stricter = now.level > before.level || (now.minor != before.minor && now.level != POD_SECURITY_PRIVILEGED);
  if (request->old && stricter && request->caller && request->caller->warnings)
    check_existing(request, now);
  return true;
}

static bool validate(void *state, const AdmissionRequest *request, GError **error)
{
  NamespacePolicy policy;
  if (request->operation == ADMISSION_DELETE)
    return true;
  if (is_core(request, "pods"))
    return check_pod(request, error);
  if (request->target->subresource)
    return true;
  if (is_core(request, "namespaces"))
    return check_namespace(request, error);
  const json_t *template = template_of(request);
  if (template && find_policy(request, &policy)) {
    note_violations(request, policy.audit, template);
    warn_of(request, policy.warn, template);
  }
  return true;
}

const AdmissionPlugin admission_pod_security = { .name = "PodSecurity", .validate = validate };
