#include "jobs.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"
#include "clusterd/controllers/batch/job_state.h"

Jobs *jobs_new(void)
{
  Jobs *jobs = g_new0(Jobs, 1);
  /* Objects carry whole seconds. */
  jobs->clock = alarm_clock_new_standing(timestamp_now_us() / G_USEC_PER_SEC * G_USEC_PER_SEC);
  ControllersConfig config = { .root_ca_pem = "the certificate", .clock = jobs->clock };
  jobs->cluster = cluster_new_with(&config);
  return jobs;
}

void jobs_free(Jobs *jobs)
{
  cluster_free(jobs->cluster);
  alarm_clock_free(jobs->clock);
  g_free(jobs);
}

void jobs_pass(Jobs *jobs, int64_t seconds)
{
  alarm_clock_set(jobs->clock, alarm_clock_now_us(jobs->clock) + seconds * G_USEC_PER_SEC);
}

static int64_t next_seconds(Jobs *jobs)
{
  int64_t next_us = alarm_clock_next_us(jobs->clock);
  return next_us < 0 ? -1 : (next_us + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC;
}

void jobs_wait_alarm(Jobs *jobs, int64_t seconds)
{
  cluster_wait(next_seconds(jobs) == seconds);
}

void jobs_create(Jobs *jobs, const char *name, const char *spec)
{
  g_autofree char *yaml = g_strdup_printf("{metadata: {name: %s}, spec: {%s, template: {metadata: {labels: {app: %s}}, "
                                          "spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}",
                                          name, spec, name);
  cluster_create(jobs->cluster, "batch/v1", "jobs", true, yaml);
}

bool jobs_status(Jobs *jobs, const char *name, const char *expected)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) wanted = yaml_parse(expected, strlen(expected), &error);
  g_assert_no_error(error);
  g_autoptr(json_t) job = cluster_get(jobs->cluster, "batch/v1", "jobs", true, name);
  const char *key;
  json_t *value;
  json_object_foreach (wanted, key, value) {
    const json_t *found = json_at(job, "status", key, NULL);
    if (!json_same(found, json_is_null(value) ? NULL : value))
      return false;
  }
  return job != NULL;
}

bool jobs_condition(Jobs *jobs, const char *name, const char *type, const char *reason)
{
  g_autoptr(json_t) job = cluster_get(jobs->cluster, "batch/v1", "jobs", true, name);
  const json_t *status = json_object_get(job, "status");
  return condition_is(status, type, "True") && strcmp(json_str(condition_get(status, type), "reason", ""), reason) == 0;
}

GPtrArray *jobs_active(Jobs *jobs, const char *app)
{
  GPtrArray *pods = cluster_list(jobs->cluster, "v1", "pods", app);
  for (unsigned i = pods->len; i-- > 0;)
    if (!pod_is_active(object_json(pods->pdata[i])))
      g_ptr_array_remove_index(pods, i);
  return pods;
}

typedef struct End {
  int64_t now_us;
  int exit_code;
} End;

static bool end_pod(json_t *value, void *data)
{
  const End *end = data;
  g_autofree char *now = timestamp_text(end->now_us);
  json_t *status = json_ensure_object(value, "status", NULL);
  json_object_set_new(status, "phase", json_string(end->exit_code ? "Failed" : "Succeeded"));
  condition_set(status, "Ready", "False", "PodCompleted", NULL);
  json_object_set_new(status, "containerStatuses",
                      json_pack("[{s:s, s:s, s:s, s:b, s:i, s:{s:{s:i, s:s, s:s}}}]", "name", "c", "image", "i",
                                "imageID", "", "ready", 0, "restartCount", 0, "state", "terminated", "exitCode",
                                end->exit_code, "finishedAt", now, "startedAt", now));
  return true;
}

void jobs_end_pod(Jobs *jobs, const char *name, int exit_code)
{
  End end = { .now_us = alarm_clock_now_us(jobs->clock), .exit_code = exit_code };
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) stored =
      client_modify(cluster_client(jobs->cluster), "v1", "pods", "default", name, "status", end_pod, &end, &error);
  g_assert_no_error(error);
}

static bool end_active(Jobs *jobs, const char *app, int index, int exit_code)
{
  g_autoptr(GPtrArray) pods = jobs_active(jobs, app);
  for (unsigned i = 0; i < pods->len; i++) {
    const json_t *pod = object_json(pods->pdata[i]);
    /* Not before its kubelet has had its say. */
    if (strcmp(pod_phase(pod), "Running") != 0 || (index >= 0 && job_pod_count(pod, JOB_INDEX) != index))
      continue;
    jobs_end_pod(jobs, object_name(pods->pdata[i]), exit_code);
    return true;
  }
  return false;
}

void jobs_end_one(Jobs *jobs, const char *app, int index, int exit_code)
{
  cluster_wait(end_active(jobs, app, index, exit_code));
}

unsigned jobs_count_tracked(Jobs *jobs, const char *app, bool tracked)
{
  g_autoptr(GPtrArray) pods = cluster_list(jobs->cluster, "v1", "pods", app);
  unsigned count = 0;
  for (unsigned i = 0; i < pods->len; i++)
    count += job_pod_is_tracked(object_json(pods->pdata[i])) == tracked;
  return count;
}
