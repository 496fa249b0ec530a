/* MutatingAdmissionWebhook: one webhook after the other may change the object. When one did, or another plugin after
 * it, those that ask for it are called a second time. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/patch/patch.h"
#include "clusterd/server/admission/webhook.h"
#include "clusterd/server/http/http.h"
#include "clusterd/server/registry/scale.h"
#include "clusterd/server/registry/write.h"

#define PLURAL "mutatingwebhookconfigurations"
#define PATCH_BYTES_MAX (4u << 20)

/* What is remembered from the first round for the second. */
struct WebhookRounds {
  GHashTable *invoked;  /* "configuration/index" of those called that may be called again */
  GHashTable *required; /* of those that shall be called again */
  json_t *output;       /* the object as the last round left it */
};

static WebhookRounds *rounds_of(AdmissionRequest *request)
{
  if (!request->rounds) {
    request->rounds = g_new0(WebhookRounds, 1);
    request->rounds->invoked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    request->rounds->required = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  }
  return request->rounds;
}

static void finish(void *state, const AdmissionRequest *request)
{
  WebhookRounds *rounds = request->rounds;
  if (!rounds)
    return;
  g_hash_table_unref(rounds->invoked);
  g_hash_table_unref(rounds->required);
  json_decref(rounds->output);
  g_free(rounds);
}

static void require_again(WebhookRounds *rounds)
{
  GHashTableIter iterator;
  void *id;
  g_hash_table_iter_init(&iterator, rounds->invoked);
  while (g_hash_table_iter_next(&iterator, &id, NULL))
    g_hash_table_add(rounds->required, g_strdup(id));
  g_hash_table_remove_all(rounds->invoked);
}

/* --- patches -------------------------------------------------------------------------------------------------------
 */

/* The patch of a response. New reference; JSON null: it has none. */
static json_t *read_patch(const json_t *response, GError **error)
{
  const char *text = json_str(response, "patch", "");
  const char *type = json_str(response, "patchType", "JSONPatch");
  if (!*text)
    return json_null();
  if (!g_str_equal(type, "JSONPatch")) {
    reason_set(error, REASON_INTERNAL, "unsupported patch type \"%s\"", type);
    return NULL;
  }
  gsize length = 0;
  g_autofree guchar *bytes = strlen(text) <= PATCH_BYTES_MAX ? g_base64_decode(text, &length) : NULL;
  json_t *patch = bytes ? json_parse((const char *)bytes, length, false, error) : NULL;
  if (patch && json_is_array(patch))
    return patch;
  if (patch || !bytes)
    reason_set(error, REASON_INTERNAL, "it is no JSON array");
  json_decref(patch);
  g_prefix_error(error, "received undecodable patch in webhook response: ");
  return NULL;
}

/* PATCHED, in the version the webhook was shown, in the storage version with all defaults. New reference. */
static json_t *take_back(const AdmissionRequest *request, const ApiKind *kind, const json_t *patched, GError **error)
{
  const char *subresource = request->target->subresource;
  g_autoptr(json_t) value = json_deep_copy(patched);
  if (g_strcmp0(subresource, "scale") == 0 && !request->is_body)
    return scale_apply(request->kind, request->object, value, error);
  WebhookKind shown = webhook_kind(kind, subresource);
  const ApiMessage *body = request->is_body ? api_builtin_message_of(shown.group, shown.version, shown.kind) : NULL;
  if (!codec_prune(body ? body : kind->message, shown.version, shown.kind, value, FIELD_VALIDATION_IGNORE, NULL, error))
    return NULL;
  if (request->is_body)
    return g_steal_pointer(&value);
  Target target = { kind, request->target->namespace_, request->target->name, subresource };
  Write write = {
    .registry = request->registry, .caller = request->caller, .target = &target, .storage = request->kind
  };
  return write_prepare(&write, value, error);
}

/* In place: others hold the object. Who owns which field is not the webhook's to say. */
static void replace(AdmissionRequest *request, json_t *value)
{
  g_autoptr(json_t) fields = json_incref(json_at(request->object, "metadata", "managedFields", NULL));
  json_object_clear(request->object);
  json_object_update(request->object, value);
  json_t *metadata = json_object_get(request->object, "metadata");
  if (!metadata)
    return;
  if (fields)
    json_object_set(metadata, "managedFields", fields);
  else
    json_object_del(metadata, "managedFields");
}

/* Adds the audit annotation PREFIXround_R_index_I; takes NOTE. */
static void annotate(const WebhookCall *call, const char *prefix, json_t *note)
{
  json_t *annotations = call->request->caller ? call->request->caller->annotations : NULL;
  if (annotations) {
    g_autofree char *key = g_strdup_printf("%sround_%u_index_%u", prefix, call->round, call->index);
    g_autofree char *text = json_text(note);
    json_object_set_new(annotations, key, json_string(text));
  }
  json_decref(note);
}

static void note_patch(const WebhookCall *call, json_t *patch)
{
  annotate(call, "patch.webhook.admission.k8s.io/",
           json_pack("{s:s, s:s, s:O, s:s}", "configuration", object_name(call->configuration), "webhook",
                     json_str(call->hook, "name", ""), "patch", patch, "patchType", "JSONPatch"));
}

static void note_mutation(const WebhookCall *call, bool changed)
{
  annotate(call, "mutation.webhook.admission.k8s.io/",
           json_pack("{s:s, s:s, s:b}", "configuration", object_name(call->configuration), "webhook",
                     json_str(call->hook, "name", ""), "mutated", changed));
}

/* *CHANGED tells whether the object is another one afterwards. */
static bool apply(const WebhookCall *call, AdmissionRequest *request, const json_t *response, bool *changed,
                  GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) patch = read_patch(response, &problem);
  if (!patch)
    return webhook_call_failed(call, problem, error);
  if (json_is_null(patch) || json_array_size(patch) == 0)
    return true;
  if (!request->object)
    return webhook_internal_error(
        error, "admission webhook \"%s\" attempted to modify the object, which is not supported for this operation",
        json_str(call->hook, "name", ""));
  g_autoptr(json_t) shown = webhook_show(request, call->kind, request->object, &problem);
  g_autoptr(json_t) patched = shown ? patch_json(shown, patch, &problem) : NULL;
  g_autoptr(json_t) value = patched ? take_back(request, call->kind, patched, &problem) : NULL;
  if (!value)
    return webhook_internal_error(error, "%s", problem->message);
  *changed = !json_equal(shown, patched);
  if (*changed)
    replace(request, value);
  note_patch(call, patch);
  return true;
}

/* --- calls ---------------------------------------------------------------------------------------------------------
 */

static bool call_hook(WebhookCall *call, AdmissionRequest *request, bool *changed, GError **error)
{
  if (!http_worker_lend())
    return outbound_too_many(error);
  g_autoptr(json_t) response = NULL;
  webhook_call_start(call);
  bool good = webhook_call_finish(call, &response, error);
  http_worker_return();
  webhook_call_clear(call);
  if (good && response)
    good = apply(call, request, response, changed, error);
  note_mutation(call, *changed);
  return good;
}

static bool call_if_due(AdmissionRequest *request, const Object *configuration, const json_t *hook, unsigned index,
                        GError **error)
{
  WebhookRounds *rounds = rounds_of(request);
  g_autofree char *id = g_strdup_printf("%s/%u", object_name(configuration), index);
  const ApiKind *kind;
  bool changed = false;
  if (!webhook_match(request, hook, &kind, error))
    return false;
  if (!kind || (request->reinvoking && !g_hash_table_contains(rounds->required, id)))
    return true;
  WebhookCall call = { .request = request, .configuration = configuration, .hook = hook, .kind = kind };
  call.mutating = true;
  call.round = request->reinvoking;
  call.index = index;
  if (!call_hook(&call, request, &changed, error))
    return false;
  if (changed) {
    require_again(rounds);
    request->reinvoke = true;
  }
  if (g_str_equal(json_str(hook, "reinvocationPolicy", "Never"), "IfNeeded"))
    g_hash_table_add(rounds->invoked, g_steal_pointer(&id));
  return true;
}

static bool mutate(void *state, AdmissionRequest *request, GError **error)
{
  if (webhook_is_exempt(request))
    return true;
  g_autoptr(GPtrArray) configurations = webhook_configurations(request->registry, PLURAL);
  if (configurations->len == 0)
    return true;
  WebhookRounds *rounds = rounds_of(request);
  if (request->reinvoking && !json_same(rounds->output, request->object))
    require_again(rounds); /* another plugin has changed it meanwhile */
  unsigned index = 0;
  for (guint i = 0; i < configurations->len; i++) {
    const json_t *hooks = json_object_get(object_json(configurations->pdata[i]), "webhooks");
    for (size_t j = 0; j < json_array_size(hooks); j++)
      if (!call_if_due(request, configurations->pdata[i], json_array_get(hooks, j), index++, error))
        return false;
  }
  if (g_hash_table_size(rounds->invoked) || g_hash_table_size(rounds->required)) {
    json_decref(rounds->output);
    rounds->output = json_deep_copy(request->object);
  }
  return true;
}

const AdmissionPlugin admission_mutating_webhook = {
  .name = "MutatingAdmissionWebhook", .takes_bodies = true, .mutate = mutate, .finish = finish
};
