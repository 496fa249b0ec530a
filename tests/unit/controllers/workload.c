#include "workload.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/pod.h"

static json_t *get(Cluster *cluster, const char *plural, const char *name)
{
  const char *api_version = strcmp(plural, "replicationcontrollers") == 0 ? "v1" : "apps/v1";
  return cluster_get(cluster, api_version, plural, true, name);
}

int64_t workload_count(Cluster *cluster, const char *plural, const char *name, const char *member)
{
  g_autoptr(json_t) value = get(cluster, plural, name);
  return json_int(json_object_get(value, "status"), member, 0);
}

bool workload_has(Cluster *cluster, const char *plural, const char *name, const char *member, int64_t count)
{
  g_autoptr(json_t) value = get(cluster, plural, name);
  const json_t *status = json_object_get(value, "status");
  return json_int(status, member, 0) == count &&
         json_int(status, "observedGeneration", 0) == json_int(json_object_get(value, "metadata"), "generation", -1);
}

bool workload_is(Cluster *cluster, const char *plural, const char *name, const char *type, const char *status,
                 const char *reason, const char *text)
{
  g_autoptr(json_t) value = get(cluster, plural, name);
  const json_t *condition = condition_get(json_object_get(value, "status"), type);
  return strcmp(json_str(condition, "status", ""), status) == 0 &&
         strcmp(json_str(condition, "reason", ""), reason) == 0 && strstr(json_str(condition, "message", ""), text);
}

char *workload_note(Cluster *cluster, const char *api_version, const char *plural, const char *name, const char *map,
                    const char *key)
{
  g_autoptr(json_t) value = cluster_get(cluster, api_version, plural, true, name);
  return g_strdup(json_str(json_at(value, "metadata", map, NULL), key, ""));
}

static int by_name(const void *left, const void *right)
{
  return strcmp(object_name(*(Object *const *)left), object_name(*(Object *const *)right));
}

char *workload_pods(Cluster *cluster, const char *app)
{
  g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", app);
  GString *names = g_string_new(NULL);
  g_ptr_array_sort(pods, by_name);
  for (unsigned i = 0; i < pods->len; i++)
    if (!pod_is_deleting(object_json(g_ptr_array_index(pods, i))))
      g_string_append_printf(names, "%s%s", names->len ? " " : "", object_name(g_ptr_array_index(pods, i)));
  return g_string_free(names, FALSE);
}

bool workload_pods_are(Cluster *cluster, const char *app, const char *names)
{
  g_autofree char *now = workload_pods(cluster, app);
  return strcmp(now, names) == 0;
}

unsigned workload_images(Cluster *cluster, const char *app, const char *image)
{
  g_autoptr(GPtrArray) pods = cluster_list(cluster, "v1", "pods", app);
  unsigned count = 0;
  for (unsigned i = 0; i < pods->len; i++) {
    const json_t *containers = json_at(object_json(g_ptr_array_index(pods, i)), "spec", "containers", NULL);
    count += strcmp(json_str(json_array_get(containers, 0), "image", ""), image) == 0;
  }
  return count;
}

typedef struct Turn {
  const char *phase, *ready;
  int64_t since_us;
} Turn;

static bool turn(json_t *pod, void *data)
{
  const Turn *to = data;
  json_t *status = json_ensure_object(pod, "status", NULL);
  g_autofree char *since = timestamp_text(to->since_us);
  condition_set(status, "Ready", to->ready, NULL, NULL);
  json_object_set_new(condition_get(status, "Ready"), "lastTransitionTime", json_string(since));
  json_object_set_new(status, "phase", json_string(to->phase));
  return true;
}

static void turn_pod(Cluster *cluster, const char *name, Turn to)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) stored =
      client_modify(cluster_client(cluster), "v1", "pods", "default", name, "status", turn, &to, &error);
  g_assert_no_error(error);
}

void workload_run_pod(Cluster *cluster, const char *name, int64_t seconds)
{
  turn_pod(cluster, name,
           (Turn){ .phase = "Running", .ready = "True", .since_us = timestamp_now_us() - seconds * G_USEC_PER_SEC });
}

void workload_run_pods(Cluster *cluster, const char *app)
{
  g_autofree char *text = workload_pods(cluster, app);
  g_auto(GStrv) names = g_strsplit(text, " ", -1);
  for (char **name = names; *name; name++)
    if (**name)
      workload_run_pod(cluster, *name, 0);
}

void workload_end_pod(Cluster *cluster, const char *name, const char *phase)
{
  turn_pod(cluster, name, (Turn){ .phase = phase, .ready = "False", .since_us = timestamp_now_us() });
}

void workload_drop_pod(Cluster *cluster, const char *name)
{
  g_autoptr(GError) error = NULL;
  DeleteOptions now = { .grace_period_seconds = 0 };
  client_delete(cluster_client(cluster), "v1", "pods", "default", name, &now, &error);
  g_assert_no_error(error);
}
