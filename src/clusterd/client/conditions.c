#include "clusterd/client/conditions.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"

json_t *condition_in(const json_t *conditions, const char *type)
{
  return json_find(conditions, "type", type);
}

json_t *condition_get(const json_t *status, const char *type)
{
  return condition_in(json_object_get(status, "conditions"), type);
}

bool condition_is(const json_t *status, const char *type, const char *value)
{
  return strcmp(json_str(condition_get(status, type), "status", ""), value) == 0;
}

static json_t *condition_ensure(json_t *status, const char *type)
{
  json_t *condition = condition_get(status, type);
  if (condition)
    return condition;
  json_t *conditions = json_object_get(status, "conditions");
  if (!json_is_array(conditions)) {
    conditions = json_array();
    json_object_set_new(status, "conditions", conditions);
  }
  condition = json_object();
  json_object_set_new(condition, "type", json_string(type));
  json_array_append_new(conditions, condition);
  return condition;
}

static bool set_text(json_t *condition, const char *key, const char *text)
{
  if (strcmp(json_str(condition, key, ""), text ? text : "") == 0)
    return false;
  if (text && *text)
    json_object_set_new(condition, key, json_string(text));
  else
    json_object_del(condition, key);
  return true;
}

bool condition_set(json_t *status, const char *type, const char *value, const char *reason, const char *message)
{
  json_t *condition = condition_ensure(status, type);
  bool flipped = set_text(condition, "status", value);
  if (flipped) {
    g_autofree char *now = timestamp_now();
    json_object_set_new(condition, "lastTransitionTime", json_string(now));
  }
  bool reworded = set_text(condition, "reason", reason);
  reworded |= set_text(condition, "message", message);
  return flipped || reworded;
}

void condition_touch(json_t *status, const char *type)
{
  g_autofree char *now = timestamp_now();
  g_autoptr(json_t) condition = json_incref(condition_get(status, type));
  json_object_set_new(condition, "lastUpdateTime", json_string(now));
  condition_remove(status, type);
  if (!json_object_get(status, "conditions"))
    json_object_set_new(status, "conditions", json_array());
  json_array_append(json_object_get(status, "conditions"), condition);
}

bool condition_set_updated(json_t *status, const char *type, const char *value, const char *reason, const char *message)
{
  const json_t *known = condition_get(status, type);
  if (known && strcmp(json_str(known, "status", ""), value) == 0 && strcmp(json_str(known, "reason", ""), reason) == 0)
    return false;
  condition_set(status, type, value, reason, message);
  condition_touch(status, type);
  return true;
}

bool condition_remove(json_t *status, const char *type)
{
  json_t *conditions = json_object_get(status, "conditions");
  size_t i;
  json_t *condition;
  json_array_foreach (conditions, i, condition) {
    if (strcmp(json_str(condition, "type", ""), type) != 0)
      continue;
    json_array_remove(conditions, i);
    if (json_array_size(conditions) == 0)
      json_object_del(status, "conditions");
    return true;
  }
  return false;
}

typedef struct StatusChange {
  const char *uid;
  const json_t *status;
} StatusChange;

static bool change_status(json_t *value, void *data)
{
  const StatusChange *change = data;
  if (strcmp(json_str(json_object_get(value, "metadata"), "uid", ""), change->uid) != 0 ||
      json_same(json_object_get(value, "status"), change->status))
    return false;
  json_object_set_new(value, "status", json_deep_copy(change->status));
  return true;
}

bool status_write(Client *client, const char *api_version, const char *plural, const Object *object,
                  const json_t *status, int64_t *revision, GError **error)
{
  StatusChange change = { .uid = object_uid(object), .status = status };
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) stored = client_modify(client, api_version, plural, object_namespace(object), object_name(object),
                                           "status", change_status, &change, &problem);
  if (revision)
    *revision = stored ? object_revision(stored) : 0;
  if (stored || reason_is(problem, REASON_NOT_FOUND))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}
