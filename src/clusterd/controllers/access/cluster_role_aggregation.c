#include "clusterd/controllers/access/cluster_role_aggregation.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/selector/selector.h"
#include "clusterd/client/object_queue.h"
#include "clusterd/client/work_queue.h"

#define RBAC "rbac.authorization.k8s.io/v1"
#define WORKERS 1

struct ClusterRoleAggregation {
  Client *client;
  ObjectQueue roles;
};

static const json_t *selectors_of(const Object *role)
{
  return json_at(object_json(role), "aggregationRule", "clusterRoleSelectors", NULL);
}

/* A role that changed may be part of any that aggregates. */
static void on_role(Object *old, Object *new_object, void *data)
{
  ClusterRoleAggregation *controller = data;
  if (old && new_object &&
      json_same(json_object_get(object_json(old), "rules"), json_object_get(object_json(new_object), "rules")) &&
      json_same(json_at(object_json(old), "metadata", "labels", NULL),
                json_at(object_json(new_object), "metadata", "labels", NULL)))
    return;
  g_autoptr(GPtrArray) roles = informer_list(controller->roles.objects);
  for (guint i = 0; i < roles->len; i++)
    if (selectors_of(roles->pdata[i]))
      object_queue_add(&controller->roles, roles->pdata[i]);
}

static int by_name(const void *a, const void *b)
{
  return strcmp(object_name(*(Object *const *)a), object_name(*(Object *const *)b));
}

static void add_rules(json_t *rules, const json_t *more)
{
  size_t i, j;
  json_t *rule, *known;
  json_array_foreach (more, i, rule) {
    bool found = false;
    json_array_foreach (rules, j, known)
      found = found || json_equal(known, rule);
    if (!found)
      json_array_append(rules, rule);
  }
}

/* The rules ROLE should have, each once, selector by selector and role by role. New array. */
static json_t *rules_for(const ClusterRoleAggregation *controller, const Object *role)
{
  json_t *rules = json_array();
  g_autoptr(GPtrArray) roles = informer_list(controller->roles.objects);
  g_ptr_array_sort(roles, by_name);
  size_t i;
  json_t *value;
  json_array_foreach (selectors_of(role), i, value) {
    g_autoptr(LabelSelector) selector = label_selector_from_json(value, NULL);
    for (guint j = 0; selector && j < roles->len; j++) {
      const json_t *other = object_json(roles->pdata[j]);
      if (!g_str_equal(object_name(roles->pdata[j]), object_name(role)) &&
          label_selector_matches(selector, json_at(other, "metadata", "labels", NULL)))
        add_rules(rules, json_object_get(other, "rules"));
    }
  }
  return rules;
}

static bool set_rules(json_t *role, void *data)
{
  json_t *rules = data, *present = json_object_get(role, "rules");
  if (!json_object_get(role, "aggregationRule") || json_equal(present, rules) ||
      (json_array_size(present) == 0 && json_array_size(rules) == 0))
    return false;
  json_object_set(role, "rules", rules);
  return true;
}

static bool sync_role(void *data, const char *key, Object *role, GError **error)
{
  ClusterRoleAggregation *controller = data;
  if (!selectors_of(role) || json_at(object_json(role), "metadata", "deletionTimestamp", NULL))
    return true;
  g_autoptr(json_t) rules = rules_for(controller, role);
  g_autoptr(Object) stored =
      client_modify(controller->client, RBAC, "clusterroles", NULL, object_name(role), NULL, set_rules, rules, error);
  return stored != NULL;
}

ClusterRoleAggregation *cluster_role_aggregation_new(const ControllerContext *context)
{
  ClusterRoleAggregation *controller = g_new0(ClusterRoleAggregation, 1);
  controller->client = client_new(context->registry, "clusterrole-aggregation-controller");
  controller->roles = (ObjectQueue){ .kind = "cluster role",
                                     .objects = informer_set_get(context->informers, RBAC, "clusterroles"),
                                     .sync = sync_role,
                                     .controller = controller };
  object_queue_open(&controller->roles, WORKERS);
  informer_add_handler(controller->roles.objects, on_role, controller);
  work_queue_start(controller->roles.work);
  return controller;
}

void cluster_role_aggregation_free(ClusterRoleAggregation *controller)
{
  work_queue_free(controller->roles.work);
  client_free(controller->client);
  g_free(controller);
}
