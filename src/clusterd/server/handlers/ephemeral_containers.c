/* PUT of pods/NAME/ephemeralcontainers with the body of Kubernetes 1.16 to 1.21: kind EphemeralContainers, which holds
 * only the list. See docs/decisions/006-old-ephemeral-containers-add.md. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"

#define KIND "EphemeralContainers"

static const ApiMessage *message(void)
{
  return api_builtin_message_of("", "v1", KIND);
}

bool ephemeral_containers_given(const ApiRequest *request)
{
  CodecType type;
  gsize length;
  g_autofree char *version = NULL, *kind = NULL;
  if (g_strcmp0(request->info->subresource, "ephemeralcontainers") != 0 || *request->kind->group ||
      !codec_of_content_type(http_header(request->http, "Content-Type"), &type, NULL))
    return false;
  const void *data = g_bytes_get_data(http_body(request->http), &length);
  return codec_peek(type, data, length, &version, &kind, NULL) && g_strcmp0(version, "v1") == 0 &&
         g_strcmp0(kind, KIND) == 0;
}

typedef struct Addition {
  const json_t *body;
  GError *error;
} Addition;

/* The version the client read, when it says so. */
static bool check_version(const json_t *pod, const json_t *body, GError **error)
{
  const char *wanted = json_str(json_object_get(body, "metadata"), "resourceVersion", "");
  const json_t *metadata = json_object_get(pod, "metadata");
  if (!*wanted || g_str_equal(wanted, json_str(metadata, "resourceVersion", "")))
    return true;
  const char *name = json_str(metadata, "name", "");
  return reason_set_details(error, REASON_CONFLICT, json_pack("{s:s, s:s}", "name", name, "kind", "pods"),
                            "Operation cannot be fulfilled on pods \"%s\": the object has been modified; please apply "
                            "your changes to the latest version and try again",
                            name);
}

/* Adds what is new. A container under a name that is there already takes its place: whether that changes anything is
 * for the subresource's own check. */
static bool add(json_t *pod, void *data)
{
  Addition *addition = data;
  size_t i;
  json_t *container;
  if (!check_version(pod, addition->body, &addition->error))
    return false;
  json_t *spec = json_ensure_object(pod, "spec", NULL), *list = json_object_get(spec, "ephemeralContainers");
  if (!list) {
    list = json_array();
    json_object_set_new(spec, "ephemeralContainers", list);
  }
  json_array_foreach (json_object_get(addition->body, "ephemeralContainers"), i, container) {
    json_t *there = json_find(list, "name", json_str(container, "name", ""));
    if (!there) {
      json_array_append_new(list, json_deep_copy(container));
    } else {
      json_object_clear(there);
      json_object_update(there, container);
    }
  }
  return true;
}

static void respond(ApiRequest *request, const Object *pod)
{
  static const char *const members[] = { "name", "namespace", "uid", "resourceVersion", "creationTimestamp" };
  const json_t *value = object_json(pod), *metadata = json_object_get(value, "metadata");
  json_t *shown = json_object();
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
    json_object_set(shown, members[i], json_object_get(metadata, members[i]));
  json_t *list = json_at(value, "spec", "ephemeralContainers", NULL);
  json_t *reply = json_pack("{s:s, s:s, s:o, s:o}", "kind", KIND, "apiVersion", "v1", "metadata", shown,
                            "ephemeralContainers", list ? json_incref(list) : json_array());
  respond_value(request, 200, message(), reply);
}

bool ephemeral_containers_update(ApiRequest *request, const Caller *caller, GError **error)
{
  const RequestInfo *info = request->info;
  g_autoptr(json_t) body = request_body(request, message(), "v1", KIND, caller->field_validation, error);
  if (!body)
    return false;
  /* kubectl 1.20 reads a Pod where it expects this kind, and so knows no name to send */
  const char *name = json_str(json_object_get(body, "metadata"), "name", "");
  if (*name && !g_str_equal(name, info->name))
    return reason_set(error, REASON_BAD_REQUEST, "the name of the object (%s) does not match the name on the URL (%s)",
                      name, info->name);
  Addition addition = { .body = body };
  Target target = { request->kind, info->namespace_, info->name, info->subresource };
  g_autoptr(Object) pod = registry_modify(request->registry, caller, &target, add, &addition, error);
  if (addition.error) {
    g_propagate_error(error, addition.error);
    return false;
  }
  if (pod)
    respond(request, pod);
  return pod != NULL;
}
