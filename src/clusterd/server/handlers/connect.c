/* Admission of requests that open a connection (exec, attach, portforward, proxy): plugins see the options of the query
 * as an object, PodExecOptions or its like. */
#include "base/json.h"
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/api_request.h"

static json_t *strings_of(const char **values)
{
  json_t *list = json_array();
  for (; *values; values++)
    json_array_append_new(list, json_string(*values));
  return list;
}

static void set_option(json_t *options, const ApiField *field, const Query *query)
{
  const char *text = query_get(query, field->name);
  int64_t number = 0;
  if (!text)
    return;
  if (field->flags & API_FIELD_LIST) {
    g_autofree const char **values = query_all(query, field->name);
    if (field->type == API_STRING)
      json_object_set_new(options, field->name, strings_of(values));
  } else if (field->type == API_BOOL) {
    json_object_set_new(options, field->name, json_boolean(query_flag(query, field->name)));
  } else if (field->type == API_STRING) {
    json_object_set_new(options, field->name, json_string(text));
  } else if ((field->type == API_INT32 || field->type == API_INT64) &&
             query_integer(query, field->name, &number, NULL)) {
    json_object_set_new(options, field->name, json_integer(number));
  }
}

static json_t *options_of(const ApiRequest *request, const ApiSubresource *sub)
{
  const ApiMessage *message = api_builtin_message_of(sub->group, sub->version, sub->kind);
  g_autofree char *version = *sub->group ? g_strdup_printf("%s/%s", sub->group, sub->version) : g_strdup(sub->version);
  json_t *options = json_pack("{s:s, s:s}", "kind", sub->kind, "apiVersion", version);
  for (unsigned i = 0; message && i < message->n_fields; i++)
    set_option(options, &message->fields[i], request->query);
  if (request->info->subpath)
    json_object_set_new(options, "path", json_string(request->info->subpath));
  return options;
}

bool connect_admit(ApiRequest *request, GError **error)
{
  const RequestInfo *info = request->info;
  const ApiSubresource *sub = api_kind_subresource(request->kind, info->subresource);
  if (!sub || !sub->kind || !sub->group)
    return true;
  g_autoptr(json_t) options = options_of(request, sub);
  Caller caller = { .identity = request->identity,
                    .warnings = request->warnings,
                    .annotations = request_trace_annotations(request->trace) };
  Target target = { request->kind, info->namespace_, info->name, info->subresource };
  return admission_admit_body(request->registry, &caller, &target, ADMISSION_CONNECT, options, error);
}
