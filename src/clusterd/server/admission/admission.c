#include "clusterd/server/admission/admission.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/registry/registry_private.h"

/* What every write must pass whatever is enabled; after the plugins. */
static const AdmissionPlugin *const rules[] = { &admission_service_address, &admission_rbac_escalation,
                                                &admission_certificate_requestor };

/* A plugin, or a rule, of this registry. */
typedef struct Member {
  const AdmissionPlugin *plugin;
  void *state;
  bool enabled;
} Member;

struct Admission {
  Member *members; /* in the order they run */
  gsize n_members;
};

static void add_member(Admission *admission, const AdmissionPlugin *plugin, bool enabled, Registry *registry)
{
  void *state = plugin->create ? plugin->create(registry) : NULL;
  admission->members[admission->n_members++] = (Member){ .plugin = plugin, .state = state, .enabled = enabled };
}

Admission *admission_new(Registry *registry)
{
  gsize n_rows;
  const AdmissionRow *rows = admission_rows(&n_rows);
  Admission *admission = g_new0(Admission, 1);
  admission->members = g_new0(Member, n_rows + G_N_ELEMENTS(rules));
  for (gsize i = 0; i < n_rows; i++)
    if (rows[i].plugin)
      add_member(admission, rows[i].plugin, rows[i].enabled, registry);
  for (gsize i = 0; i < G_N_ELEMENTS(rules); i++)
    add_member(admission, rules[i], true, registry);
  return admission;
}

void admission_load(Admission *admission)
{
  for (gsize i = 0; i < admission->n_members; i++)
    if (admission->members[i].plugin->load)
      admission->members[i].plugin->load(admission->members[i].state);
}

void admission_free(Admission *admission)
{
  if (!admission)
    return;
  for (gsize i = 0; i < admission->n_members; i++)
    if (admission->members[i].plugin->destroy)
      admission->members[i].plugin->destroy(admission->members[i].state);
  g_free(admission->members);
  g_free(admission);
}

/* --- which of them run ---------------------------------------------------------------------------------------------
 */

static bool holds(const char *const *list, const char *name)
{
  return list && g_strv_contains(list, name);
}

static const AdmissionRow *row_of(const char *name)
{
  gsize n_rows;
  const AdmissionRow *rows = admission_rows(&n_rows);
  for (gsize i = 0; i < n_rows; i++)
    if (g_str_equal(rows[i].name, name))
      return &rows[i];
  return NULL;
}

static void check_names(const char *option, const char *const *list, bool to_enable, GPtrArray *problems)
{
  for (gsize i = 0; list && list[i]; i++) {
    const AdmissionRow *row = row_of(list[i]);
    if (!row)
      g_ptr_array_add(problems, g_strdup_printf("%s plugin \"%s\" is unknown", option, list[i]));
    else if (to_enable && !row->plugin)
      g_ptr_array_add(problems, g_strdup_printf("%s plugin \"%s\" is not supported", option, list[i]));
  }
}

static int compare_names(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void check_overlap(const char *const *enable, const char *const *disable, GPtrArray *problems)
{
  g_autoptr(GPtrArray) both = g_ptr_array_new();
  for (gsize i = 0; enable && enable[i]; i++)
    if (holds(disable, enable[i]))
      g_ptr_array_add(both, (void *)(uintptr_t)enable[i]);
  if (both->len == 0)
    return;
  g_ptr_array_sort(both, compare_names);
  g_ptr_array_add(both, NULL);
  g_autofree char *names = g_strjoinv(" ", (char **)both->pdata);
  g_ptr_array_add(problems,
                  g_strdup_printf("[%s] in enable-admission-plugins and disable-admission-plugins overlapped", names));
}

bool admission_choose(Admission *admission, const char *const *enable, const char *const *disable, GError **error)
{
  g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
  check_names("enable-admission-plugins", enable, true, problems);
  check_names("disable-admission-plugins", disable, false, problems);
  check_overlap(enable, disable, problems);
  if (problems->len > 0) {
    guint n_problems = problems->len;
    g_ptr_array_add(problems, NULL);
    g_autofree char *text = g_strjoinv(", ", (char **)problems->pdata);
    return reason_set(error, REASON_CONFIG, n_problems > 1 ? "[%s]" : "%s", text);
  }
  for (gsize i = 0; i < admission->n_members; i++) {
    Member *member = &admission->members[i];
    const AdmissionRow *row = row_of(member->plugin->name);
    if (row)
      member->enabled = holds(enable, row->name) || (row->enabled && !holds(disable, row->name));
  }
  return true;
}

void *admission_state(Admission *admission, const AdmissionPlugin *plugin)
{
  for (gsize i = 0; i < admission->n_members; i++)
    if (admission->members[i].plugin == plugin)
      return admission->members[i].state;
  return NULL;
}

/* --- a write -------------------------------------------------------------------------------------------------------
 */

/* Whether MEMBER has a say in REQUEST. */
static bool is_asked(const Member *member, const AdmissionRequest *request)
{
  return member->enabled && (!request->is_body || member->plugin->takes_bodies);
}

static bool mutate_once(Admission *admission, AdmissionRequest *request, GError **error)
{
  for (gsize i = 0; i < admission->n_members; i++) {
    const Member *member = &admission->members[i];
    if (is_asked(member, request) && member->plugin->mutate && !member->plugin->mutate(member->state, request, error))
      return false;
  }
  return true;
}

bool admission_mutate(Admission *admission, AdmissionRequest *request, GError **error)
{
  if (!mutate_once(admission, request, error))
    return false;
  if (!request->reinvoke)
    return true;
  request->reinvoking = true;
  return mutate_once(admission, request, error);
}

bool admission_allocate(Admission *admission, AdmissionRequest *request, GError **error)
{
  for (gsize i = 0; i < admission->n_members; i++) {
    const Member *member = &admission->members[i];
    if (member->enabled && member->plugin->allocate && !member->plugin->allocate(member->state, request, error))
      return false;
  }
  return true;
}

bool admission_validate(Admission *admission, const AdmissionRequest *request, GError **error)
{
  for (gsize i = 0; i < admission->n_members; i++) {
    const Member *member = &admission->members[i];
    if (is_asked(member, request) && member->plugin->validate &&
        !member->plugin->validate(member->state, request, error))
      return false;
  }
  return true;
}

void admission_finish(Admission *admission, const AdmissionRequest *request)
{
  for (gsize i = 0; i < admission->n_members; i++) {
    const Member *member = &admission->members[i];
    if (is_asked(member, request) && member->plugin->finish)
      member->plugin->finish(member->state, request);
  }
}

bool admission_use_service_range(Admission *admission, const char *range, GError **error)
{
  return admission_set_service_range(admission_state(admission, &admission_service_address), range, error);
}

const char *admission_name(const AdmissionRequest *request)
{
  const json_t *metadata = json_object_get(request->object, "metadata");
  const char *name = json_str(metadata, "name", "");
  if (!*name && request->target->name)
    name = request->target->name;
  if (!*name)
    name = json_str(metadata, "generateName", "");
  return *name ? name : "Unknown";
}

bool admission_forbid(const AdmissionRequest *request, GError **error, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *why = g_strdup_vprintf(format, args);
  va_end(args);
  /* the resource as it was asked for, which may be in an older group than it is stored in */
  return api_error_forbidden(error, request->target->kind, admission_name(request), "%s", why);
}

bool admission_creates(const AdmissionRequest *request, const char *group, const char *plural)
{
  return request->operation == ADMISSION_CREATE && admission_is_about(request, group, plural);
}

Object *admission_find(const AdmissionRequest *request, const char *group, const char *version, const char *plural,
                       const char *namespace_, const char *name)
{
  const ApiKind *kind = api_scheme_resource(registry_scheme(request->registry), group, version, plural);
  return kind ? registry_lookup(request->registry, kind, namespace_, name) : NULL;
}

bool admission_is_about(const AdmissionRequest *request, const char *group, const char *plural)
{
  return !request->target->subresource && g_str_equal(request->kind->group, group) &&
         g_str_equal(request->kind->plural, plural);
}

const char *admission_operation_name(AdmissionOperation operation)
{
  static const char *const names[] = { "CREATE", "UPDATE", "DELETE", "CONNECT" };
  return names[operation];
}

bool admission_admit_body(Registry *registry, const Caller *caller, const Target *target, AdmissionOperation operation,
                          json_t *body, GError **error)
{
  AdmissionRequest request = { .registry = registry,
                               .caller = caller,
                               .target = target,
                               .kind = registry_storage(target->kind),
                               .operation = operation,
                               .object = body,
                               .is_body = true };
  bool admitted = admission_mutate(registry->admission, &request, error) &&
                  admission_validate(registry->admission, &request, error);
  admission_finish(registry->admission, &request);
  return admitted;
}
