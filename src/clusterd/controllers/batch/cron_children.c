#include "clusterd/controllers/batch/cron_children.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/batch/cron_plan.h"
#include "clusterd/controllers/pods/owner.h"
#include "clusterd/controllers/pods/pod_control.h"

#define SCHEDULED_ANNOTATION "batch.kubernetes.io/cronjob-scheduled-timestamp"

G_GNUC_PRINTF(4, 5)
static void tell(const CronChildren *children, const char *type, const char *reason, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  recorder_event(children->recorder, object_json(children->cron_job), NULL, type, reason, "%s", message);
}

/* "Complete", "Failed", or NULL: not finished. */
static const char *end_of(const json_t *job)
{
  static const char *const ends[] = { "Complete", "Failed" };
  for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
    if (condition_is(json_object_get(job, "status"), ends[i], "True"))
      return ends[i];
  return NULL;
}

/* --- the list of active jobs ------------------------------------------------------------------------------------ */

static bool is_active(const CronChildren *children, const char *uid)
{
  return json_find(json_object_get(children->status, "active"), "uid", uid) != NULL;
}

static void drop_active(const CronChildren *children, const char *uid)
{
  json_t *active = json_object_get(children->status, "active");
  for (size_t i = json_array_size(active); i-- > 0;)
    if (strcmp(json_str(json_array_get(active, i), "uid", ""), uid) == 0)
      json_array_remove(active, i);
  if (active && json_array_size(active) == 0)
    json_object_del(children->status, "active");
}

static void add_active(const CronChildren *children, const Object *job)
{
  json_t *active = json_object_get(children->status, "active");
  if (!active)
    json_object_set_new(children->status, "active", active = json_array());
  json_array_append_new(
      active, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "kind", "Job", "namespace", object_namespace(job), "name",
                        object_name(job), "uid", object_uid(job), "apiVersion", "batch/v1", "resourceVersion",
                        json_str(json_object_get(object_json(job), "metadata"), "resourceVersion", "")));
}

/* --- noting ----------------------------------------------------------------------------------------------------- */

static void note_success(const CronChildren *children, const json_t *job)
{
  const char *end = json_str(json_object_get(job, "status"), "completionTime", NULL);
  int64_t end_us, known_us;
  if (!timestamp_parse(end, &end_us))
    return;
  const char *known = json_str(children->status, "lastSuccessfulTime", NULL);
  if (!timestamp_parse(known, &known_us) || known_us < end_us)
    json_object_set_new(children->status, "lastSuccessfulTime", json_string(end));
}

static void note_job(const CronChildren *children, const Object *object)
{
  const json_t *job = object_json(object);
  const char *end = end_of(job);
  bool active = is_active(children, object_uid(object));
  if (!active && !end)
    tell(children, "Warning", "UnexpectedJob", "Saw a job that the controller did not create or forgot: %s",
         object_name(object));
  if (active && end) {
    drop_active(children, object_uid(object));
    tell(children, "Normal", "SawCompletedJob", "Saw completed job: %s, status: %s", object_name(object), end);
  }
  if (end && strcmp(end, "Complete") == 0)
    note_success(children, job);
}

/* The informer may not show yet what was made a moment ago: the store knows. */
static bool note_missing(const CronChildren *children, const char *name, const char *uid, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) job =
      client_get(children->client, "batch/v1", "jobs", object_namespace(children->cron_job), name, &problem);
  if (!job && !reason_is(problem, REASON_NOT_FOUND)) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  if (job && strcmp(object_uid(job), uid) == 0)
    return true;
  tell(children, "Normal", "MissingJob", "Active job went missing: %s", name);
  drop_active(children, uid);
  return true;
}

bool cron_children_note(const CronChildren *children, GError **error)
{
  g_autoptr(GHashTable) uids = g_hash_table_new(g_str_hash, g_str_equal);
  for (unsigned i = 0; i < children->known->len; i++) {
    g_hash_table_add(uids, (char *)(uintptr_t)object_uid(children->known->pdata[i]));
    note_job(children, children->known->pdata[i]);
  }
  g_autoptr(json_t) active = json_deep_copy(json_object_get(children->status, "active"));
  size_t i;
  json_t *each;
  json_array_foreach (active, i, each) {
    const char *uid = json_str(each, "uid", "");
    if (!g_hash_table_contains(uids, uid) && !note_missing(children, json_str(each, "name", ""), uid, error))
      return false;
  }
  return true;
}

/* --- making ----------------------------------------------------------------------------------------------------- */

/* The time as the schedule's clocks show it. */
static char *scheduled_text(const json_t *cron_job, int64_t scheduled_us)
{
  const char *name = json_str(json_object_get(cron_job, "spec"), "timeZone", "UTC");
  g_autoptr(GTimeZone) zone = g_time_zone_new_identifier(name);
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(scheduled_us / G_USEC_PER_SEC);
  if (!zone)
    return timestamp_text(scheduled_us);
  g_autoptr(GDateTime) local = g_date_time_to_timezone(time, zone);
  return g_date_time_get_utc_offset(local) ? g_date_time_format(local, "%Y-%m-%dT%H:%M:%S%:z")
                                           : timestamp_text(scheduled_us);
}

static json_t *make_job(const Object *cron_job, int64_t scheduled_us)
{
  static const char *const copied[] = { "labels", "annotations" };
  const json_t *value = object_json(cron_job), *template = json_at(value, "spec", "jobTemplate", NULL);
  const json_t *from = json_object_get(template, "metadata");
  /* One time, one name: whoever tries again cannot make a second one. */
  g_autofree char *name =
      g_strdup_printf("%s-%" G_GINT64_FORMAT, object_name(cron_job), scheduled_us / G_USEC_PER_SEC / 60);
  g_autofree char *text = scheduled_text(value, scheduled_us);
  json_t *job = json_object(), *metadata = json_ensure_object(job, "metadata", NULL);
  json_object_set_new(metadata, "name", json_string(name));
  for (size_t i = 0; i < G_N_ELEMENTS(copied); i++)
    if (json_object_get(from, copied[i]))
      json_object_set_new(metadata, copied[i], json_deep_copy(json_object_get(from, copied[i])));
  json_object_set_new(json_ensure_object(metadata, "annotations", NULL), SCHEDULED_ANNOTATION, json_string(text));
  json_object_set_new(metadata, "ownerReferences", json_pack("[o]", owner_reference_new(value)));
  json_object_set_new(job, "spec", json_deep_copy(json_object_get(template, "spec")));
  return job;
}

static void note_start(const CronChildren *children, const Object *job, int64_t scheduled_us)
{
  g_autofree char *text = timestamp_text(scheduled_us);
  add_active(children, job);
  json_object_set_new(children->status, "lastScheduleTime", json_string(text));
}

/* A job of the name is there: made before the status could say so, or by somebody else. */
static bool take_job(const CronChildren *children, const json_t *wanted, int64_t scheduled_us, GError **error)
{
  const char *name = json_str(json_object_get(wanted, "metadata"), "name", "");
  g_autoptr(Object) job =
      client_get(children->client, "batch/v1", "jobs", object_namespace(children->cron_job), name, error);
  if (!job)
    return false;
  const json_t *owner = owner_of(object_json(job));
  if (owner && strcmp(json_str(owner, "uid", ""), object_uid(children->cron_job)) == 0 &&
      !is_active(children, object_uid(job)))
    note_start(children, job, scheduled_us);
  return true;
}

bool cron_children_start(const CronChildren *children, int64_t scheduled_us, GError **error)
{
  g_autoptr(json_t) wanted = make_job(children->cron_job, scheduled_us);
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) job =
      client_create(children->client, "batch/v1", "jobs", object_namespace(children->cron_job), wanted, &problem);
  if (job) {
    tell(children, "Normal", "SuccessfulCreate", "Created job %s", object_name(job));
    note_start(children, job, scheduled_us);
    informer_wait_revision(children->jobs, object_revision(job));
    return true;
  }
  if (reason_is(problem, REASON_ALREADY_EXISTS))
    return take_job(children, wanted, scheduled_us, error);
  if (pod_control_is_moot(problem))
    return true;
  tell(children, "Warning", "FailedCreate", "Error creating job: %s", problem->message);
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

/* --- deleting --------------------------------------------------------------------------------------------------- */

static bool delete_job(const CronChildren *children, const char *name, const char *uid, GError **error)
{
  g_autoptr(GError) problem = NULL;
  DeleteOptions options = { .grace_period_seconds = -1, .propagation = "Background", .precondition_uid = uid };
  if (client_delete(children->client, "batch/v1", "jobs", object_namespace(children->cron_job), name, &options,
                    &problem)) {
    tell(children, "Normal", "SuccessfulDelete", "Deleted job %s", name);
  } else if (!reason_is(problem, REASON_NOT_FOUND) && !reason_is(problem, REASON_CONFLICT)) {
    tell(children, "Warning", "FailedDelete", "Deleted job: %s", problem->message);
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  drop_active(children, uid);
  return true;
}

bool cron_children_replace(const CronChildren *children, GError **error)
{
  g_autoptr(json_t) active = json_deep_copy(json_object_get(children->status, "active"));
  size_t i;
  json_t *each;
  json_array_foreach (active, i, each)
    if (!delete_job(children, json_str(each, "name", ""), json_str(each, "uid", ""), error))
      return false;
  return true;
}

/* By the time they started, then by their names; what never started comes last. */
static int compare_starts(const void *left, const void *right)
{
  const Object *const *a = left, *const *b = right;
  const char *a_start = json_str(json_object_get(object_json(*a), "status"), "startTime", NULL);
  const char *b_start = json_str(json_object_get(object_json(*b), "status"), "startTime", NULL);
  int order = a_start && b_start ? strcmp(a_start, b_start) : !a_start - !b_start;
  return order ? order : strcmp(object_name(*a), object_name(*b));
}

static bool trim_ended(const CronChildren *children, const char *end, const char *limit, GError **error)
{
  const json_t *most = json_at(object_json(children->cron_job), "spec", limit, NULL);
  g_autoptr(GPtrArray) ended = g_ptr_array_new();
  if (!most)
    return true;
  for (unsigned i = 0; i < children->known->len; i++)
    if (g_strcmp0(end_of(object_json(children->known->pdata[i])), end) == 0 &&
        !pod_is_deleting(object_json(children->known->pdata[i])))
      g_ptr_array_add(ended, children->known->pdata[i]);
  g_ptr_array_sort(ended, compare_starts);
  for (unsigned i = 0; (int64_t)i + json_integer_value(most) < ended->len; i++) {
    const Object *job = ended->pdata[i];
    if (!delete_job(children, object_name(job), object_uid(job), error))
      return false;
    informer_wait_deleted(children->jobs, job);
  }
  return true;
}

bool cron_children_trim(const CronChildren *children, GError **error)
{
  return trim_ended(children, "Complete", "successfulJobsHistoryLimit", error) &&
         trim_ended(children, "Failed", "failedJobsHistoryLimit", error);
}
