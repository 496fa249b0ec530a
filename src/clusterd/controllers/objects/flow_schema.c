#include "clusterd/controllers/objects/flow_schema.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/client/conditions.h"
#include "clusterd/client/object_queue.h"

#define API_VERSION "flowcontrol.apiserver.k8s.io/v1"

struct FlowSchemaController {
  Client *client;
  Informer *schemas, *levels;
  ObjectQueue queue;
};

static const char *level_of(const Object *schema)
{
  return json_str(json_at(object_json(schema), "spec", "priorityLevelConfiguration", NULL), "name", "");
}

/* A level has come or gone: all that name it are told. */
static void on_level(Object *old, Object *new_object, void *data)
{
  FlowSchemaController *controller = data;
  if (old && new_object)
    return;
  const char *name = object_name(new_object ? new_object : old);
  g_autoptr(GPtrArray) schemas = informer_list(controller->schemas);
  for (guint i = 0; i < schemas->len; i++)
    if (strcmp(level_of(schemas->pdata[i]), name) == 0)
      object_queue_add(&controller->queue, schemas->pdata[i]);
}

static bool sync_schema(void *data, const char *key, Object *schema, GError **error)
{
  FlowSchemaController *controller = data;
  const char *name = level_of(schema);
  g_autoptr(Object) level = informer_get(controller->levels, NULL, name);
  g_autofree char *text =
      g_strdup_printf("This FlowSchema references the PriorityLevelConfiguration object named \"%s\" %s", name,
                      level ? "and it exists" : "but there is no such object");
  const json_t *before = json_object_get(object_json(schema), "status");
  g_autoptr(json_t) status = before ? json_deep_copy(before) : json_object();
  if (!condition_set(status, "Dangling", level ? "False" : "True", level ? "Found" : "NotFound", text))
    return true;
  return status_write(controller->client, API_VERSION, "flowschemas", schema, status, NULL, error);
}

FlowSchemaController *flow_schema_controller_new(const ControllerContext *context)
{
  FlowSchemaController *controller = g_new0(FlowSchemaController, 1);
  controller->client = client_new(context->registry, "flow-schema-controller");
  controller->schemas = informer_set_get(context->informers, API_VERSION, "flowschemas");
  controller->levels = informer_set_get(context->informers, API_VERSION, "prioritylevelconfigurations");
  controller->queue = (ObjectQueue){
    .kind = "FlowSchema", .objects = controller->schemas, .sync = sync_schema, .controller = controller
  };
  object_queue_open(&controller->queue, 1);
  informer_add_handler(controller->levels, on_level, controller);
  work_queue_start(controller->queue.work);
  return controller;
}

void flow_schema_controller_free(FlowSchemaController *controller)
{
  work_queue_free(controller->queue.work);
  client_free(controller->client);
  g_free(controller);
}
