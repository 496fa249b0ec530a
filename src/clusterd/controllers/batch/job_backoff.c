#include "clusterd/controllers/batch/job_backoff.h"

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/object.h"
#include "clusterd/client/conditions.h"

#define FIRST_US ((int64_t)10 * G_USEC_PER_SEC)
#define MOST_US ((int64_t)360 * G_USEC_PER_SEC)

/* When the last container of STATUSES ended; 0 when one has not. SIDECARS_OF: only the restartable ones among these
 * init containers. */
static int64_t last_end(const json_t *statuses, const json_t *sidecars_of)
{
  int64_t latest_us = 0, time_us;
  size_t i;
  json_t *status;
  json_array_foreach (statuses, i, status) {
    const json_t *container = json_find(sidecars_of, "name", json_str(status, "name", ""));
    if (sidecars_of && g_strcmp0(json_str(container, "restartPolicy", NULL), "Always") != 0)
      continue;
    if (!timestamp_parse(json_str(json_at(status, "state", "terminated", NULL), "finishedAt", NULL), &time_us))
      return 0;
    latest_us = MAX(latest_us, time_us);
  }
  return latest_us;
}

int64_t job_pod_end_us(const json_t *pod)
{
  const json_t *status = json_object_get(pod, "status"), *metadata = json_object_get(pod, "metadata");
  const json_t *ready = condition_get(status, "Ready"), *init = json_at(pod, "spec", "initContainers", NULL);
  int64_t end_us = last_end(json_object_get(status, "containerStatuses"), NULL);
  if (end_us > 0 && init)
    end_us = MAX(end_us, last_end(json_object_get(status, "initContainerStatuses"), init));
  if (end_us > 0)
    return end_us;
  if (g_strcmp0(json_str(ready, "status", NULL), "False") == 0 &&
      timestamp_parse(json_str(ready, "lastTransitionTime", NULL), &end_us))
    return end_us;
  if (timestamp_parse(json_str(metadata, "deletionTimestamp", NULL), &end_us))
    return end_us - json_int(metadata, "deletionGracePeriodSeconds", 0) * G_USEC_PER_SEC;
  return timestamp_parse(json_str(metadata, "creationTimestamp", NULL), &end_us) ? end_us : 0;
}

static int64_t latest(const GPtrArray *pods)
{
  int64_t latest_us = 0;
  for (unsigned i = 0; i < pods->len; i++)
    latest_us = MAX(latest_us, job_pod_end_us(object_json(pods->pdata[i])));
  return latest_us;
}

JobBackoff job_backoff_after(JobBackoff known, const GPtrArray *succeeded, const GPtrArray *failed)
{
  JobBackoff backoff = succeeded->len > 0 ? (JobBackoff){ 0, 0 } : known;
  int64_t success_us = latest(succeeded);
  for (unsigned i = 0; i < failed->len; i++) {
    int64_t end_us = job_pod_end_us(object_json(failed->pdata[i]));
    if (succeeded->len > 0 && end_us <= success_us)
      continue;
    backoff.failures++;
    backoff.last_failure_us = MAX(backoff.last_failure_us, end_us);
  }
  return backoff;
}

int64_t job_backoff_due_us(JobBackoff backoff)
{
  int64_t delay_us = FIRST_US;
  if (backoff.failures == 0)
    return 0;
  for (int64_t i = 1; i < backoff.failures && delay_us < MOST_US; i++)
    delay_us *= 2;
  return backoff.last_failure_us + MIN(delay_us, MOST_US);
}
