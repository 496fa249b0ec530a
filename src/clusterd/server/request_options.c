/* The query of a request, and a deletion's body, as the options they are: checked, all errors at once.
 * Source: k8s.io/apimachinery/pkg/apis/meta/{v1,internalversion}/validation. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/field_errors.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"

#define FIELD_MANAGER_MAX 128
#define META_GROUP "meta.k8s.io"

/* --- of all writes -------------------------------------------------------------------------------------------------
 */

/* What cannot be seen in a manager's name hides who it is. */
static void check_printable(const char *manager, FieldErrors *errors)
{
  g_autoptr(json_t) value = json_string(manager);
  if (!value)
    return;
  for (const char *c = manager; *c; c = g_utf8_find_next_char(c, NULL)) {
    gunichar character = g_utf8_get_char(c);
    if (!g_unichar_isprint(character))
      field_errors_add(errors, FIELD_INVALID, "fieldManager", value, "invalid character U+%04X (at position %ld)",
                       character, (long)(c - manager));
  }
}

static void check_manager(const char *manager, FieldErrors *errors)
{
  if (strlen(manager) > FIELD_MANAGER_MAX)
    field_errors_add(errors, FIELD_TOO_LONG, "fieldManager", NULL, "may not be more than %d bytes", FIELD_MANAGER_MAX);
  check_printable(manager, errors);
}

/* True when TEXTS ask for a dry run. */
static bool check_dry_run(const json_t *texts, FieldErrors *errors)
{
  static const char *const all[] = { "All", NULL };
  size_t i;
  json_t *text;
  json_array_foreach (texts, i, text) {
    if (g_strcmp0(json_string_value(text), "All") == 0)
      continue;
    field_errors_add_unsupported(errors, "dryRun", texts, all);
    return false;
  }
  return json_array_size(texts) > 0;
}

static FieldValidation check_field_validation(const char *text, FieldErrors *errors)
{
  static const char *const names[] = { "Ignore", "Warn", "Strict" };
  static const char *const supported[] = { "", "Ignore", "Strict", "Warn", NULL };
  for (gsize i = 0; text && i < G_N_ELEMENTS(names); i++)
    if (g_str_equal(names[i], text))
      return (FieldValidation)i;
  if (text && *text) {
    g_autoptr(json_t) value = json_string(text);
    field_errors_add_unsupported(errors, "fieldValidation", value, supported);
  }
  return FIELD_VALIDATION_WARN;
}

/* The manager of the fields a write sets: what the client says, else its program's name. The caller frees. */
static char *field_manager(const ApiRequest *request, const char *given)
{
  if (*given)
    return g_strdup(given);
  const char *agent = http_header(request->http, "User-Agent");
  gsize length = agent ? strcspn(agent, "/") : 0;
  return length ? g_strndup(agent, MIN(length, FIELD_MANAGER_MAX)) : g_strdup("unknown");
}

/* The values of a parameter that may be given several times; empty ones are none. */
static json_t *query_list(const Query *query, const char *name)
{
  json_t *list = json_array();
  g_autofree const char **values = query_all(query, name);
  for (gsize i = 0; values[i]; i++)
    if (*values[i])
      json_array_append_new(list, json_string(values[i]));
  return list;
}

static void read_write_options(const ApiRequest *request, Caller *caller, char **manager, FieldErrors *errors)
{
  const char *given = query_get(request->query, "fieldManager");
  g_autoptr(json_t) dry_run = query_list(request->query, "dryRun");
  caller->identity = request->identity;
  caller->warnings = request->warnings;
  caller->annotations = request_trace_annotations(request->trace);
  check_manager(given ? given : "", errors);
  caller->dry_run = check_dry_run(dry_run, errors);
  caller->field_validation = check_field_validation(query_get(request->query, "fieldValidation"), errors);
  *manager = field_manager(request, given ? given : "");
  caller->field_manager = *manager;
}

bool request_write_options(ApiRequest *request, const char *options, Caller *caller, char **manager, GError **error)
{
  g_autoptr(FieldErrors) errors = field_errors_new();
  read_write_options(request, caller, manager, errors);
  return field_errors_finish(errors, options, META_GROUP, "", error);
}

bool request_patch_options(ApiRequest *request, bool apply, bool *force, Caller *caller, char **manager, GError **error)
{
  g_autoptr(FieldErrors) errors = field_errors_new();
  const char *given = query_get(request->query, "fieldManager");
  *force = query_flag(request->query, "force");
  if (!apply && query_get(request->query, "force"))
    field_errors_add(errors, FIELD_FORBIDDEN, "force", NULL, "may not be specified for non-apply patch");
  if (apply && (!given || !*given))
    field_errors_add(errors, FIELD_REQUIRED, "fieldManager", NULL, "is required for apply patch");
  read_write_options(request, caller, manager, errors);
  return field_errors_finish(errors, "PatchOptions", META_GROUP, "", error);
}

/* --- of lists and watches ------------------------------------------------------------------------------------------
 */

static void check_match(const Query *query, ListOptions *options, FieldErrors *errors)
{
  static const char *const supported[] = { "Exact", "NotOlderThan", "", NULL };
  static const char field[] = "resourceVersionMatch";
  const char *match = query_get(query, field);
  const char *version = options->resource_version;
  if (query_get(query, "sendInitialEvents"))
    field_errors_add(errors, FIELD_FORBIDDEN, "sendInitialEvents", NULL, "sendInitialEvents is forbidden for list");
  if (!match || !*match)
    return;
  if (!version || !*version)
    field_errors_add(errors, FIELD_FORBIDDEN, field, NULL,
                     "resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (options->continue_token && *options->continue_token)
    field_errors_add(errors, FIELD_FORBIDDEN, field, NULL,
                     "resourceVersionMatch is forbidden when continue is provided");
  if (g_str_equal(match, "Exact")) {
    options->match = VERSION_MATCH_EXACT;
    if (g_strcmp0(version, "0") == 0)
      field_errors_add(errors, FIELD_FORBIDDEN, field, NULL,
                       "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
  } else if (g_str_equal(match, "NotOlderThan")) {
    options->match = VERSION_MATCH_NOT_OLDER_THAN;
  } else {
    g_autoptr(json_t) value = json_string(match);
    field_errors_add_unsupported(errors, field, value, supported);
  }
}

/* sendInitialEvents (KEP-3157) and what it goes with. */
static void check_watch(const Query *query, FieldErrors *errors)
{
  static const char *const supported[] = { "NotOlderThan", NULL };
  static const char field[] = "resourceVersionMatch";
  const char *match = query_get(query, field);
  bool matched = match && *match;
  if (!query_get(query, "sendInitialEvents")) {
    if (matched)
      field_errors_add(errors, FIELD_FORBIDDEN, field, NULL,
                       "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
  } else if (!matched) {
    field_errors_add(errors, FIELD_FORBIDDEN, field, NULL,
                     "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  } else if (!g_str_equal(match, "NotOlderThan")) {
    g_autoptr(json_t) value = json_string(match);
    field_errors_add_unsupported(errors, field, value, supported);
  }
}

bool request_list_options(ApiRequest *request, ListOptions *options, LabelSelector **labels, FieldSelector **fields,
                          GError **error)
{
  const Query *query = request->query;
  g_autoptr(FieldErrors) errors = field_errors_new();
  const char *label_text = query_get(query, "labelSelector"), *field_text = query_get(query, "fieldSelector");
  int64_t limit = 0;
  if (!query_integer(query, "limit", &limit, error))
    return false;
  options->limit = (unsigned)CLAMP(limit, 0, G_MAXINT32);
  options->continue_token = query_get(query, "continue");
  options->resource_version = query_get(query, "resourceVersion");
  if (label_text && *label_text && !(*labels = label_selector_parse(label_text, error)))
    return false;
  if (field_text && *field_text && !(*fields = field_selector_parse(request->kind, field_text, error)))
    return false;
  options->labels = *labels;
  options->fields = *fields;
  if (g_str_equal(request->info->verb, "watch"))
    check_watch(query, errors);
  else
    check_match(query, options, errors);
  return field_errors_finish(errors, "ListOptions", META_GROUP, "", error);
}

/* --- of deletions --------------------------------------------------------------------------------------------------
 */

static void check_propagation(const DeleteOptions *options, bool orphan_given, FieldErrors *errors)
{
  /* upstream says "nil" in the list, in quotes */
  static const char *const supported[] = { "Foreground", "Background", "Orphan", "nil", NULL };
  if (!options->propagation)
    return;
  g_autoptr(json_t) value = json_string(options->propagation);
  if (orphan_given)
    field_errors_add(errors, FIELD_INVALID, "propagationPolicy", value,
                     "orphanDependents and deletionPropagation cannot be both set");
  for (gsize i = 0; i < 3; i++)
    if (g_str_equal(supported[i], options->propagation))
      return;
  field_errors_add_unsupported(errors, "propagationPolicy", value, supported);
}

/* The body, or the query when there is none. New reference. */
static json_t *delete_body(ApiRequest *request, GError **error)
{
  gsize length = g_bytes_get_size(http_body(request->http));
  int64_t grace = -1;
  const Query *query = request->query;
  const char *propagation = query_get(query, "propagationPolicy");
  if (length > 0)
    return request_body(request, api_builtin_message("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"), "v1",
                        "DeleteOptions", FIELD_VALIDATION_IGNORE, error);
  if (!query_integer(query, "gracePeriodSeconds", &grace, error))
    return NULL;
  json_t *body = json_object();
  if (grace >= 0)
    json_object_set_new(body, "gracePeriodSeconds", json_integer(grace));
  if (propagation && *propagation)
    json_object_set_new(body, "propagationPolicy", json_string(propagation));
  if (query_get(query, "orphanDependents"))
    json_object_set_new(body, "orphanDependents", json_boolean(query_flag(query, "orphanDependents")));
  return body;
}

bool request_delete_options(ApiRequest *request, DeleteOptions *options, Caller *caller, json_t **body, char **manager,
                            GError **error)
{
  *options = (DeleteOptions){ .grace_period_seconds = -1 };
  g_autoptr(FieldErrors) errors = field_errors_new();
  *body = delete_body(request, error);
  if (!*body)
    return false;
  read_write_options(request, caller, manager, errors);
  const json_t *orphan = json_object_get(*body, "orphanDependents");
  options->grace_period_seconds = json_int(*body, "gracePeriodSeconds", -1);
  options->propagation = json_str(*body, "propagationPolicy", NULL);
  check_propagation(options, json_is_boolean(orphan), errors);
  if (!options->propagation && json_is_boolean(orphan))
    options->propagation = json_is_true(orphan) ? "Orphan" : "Background";
  const json_t *preconditions = json_object_get(*body, "preconditions");
  options->precondition_uid = json_str(preconditions, "uid", NULL);
  options->precondition_resource_version = json_str(preconditions, "resourceVersion", NULL);
  caller->dry_run = check_dry_run(json_object_get(*body, "dryRun"), errors) || caller->dry_run;
  return field_errors_finish(errors, "DeleteOptions", META_GROUP, "", error);
}
