/* ValidatingAdmissionWebhook: all webhooks are asked at the same time; one refusal is enough. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission/webhook.h"
#include "clusterd/server/http/http.h"

#define PLURAL "validatingwebhookconfigurations"

/* CEL is not evaluated: who writes such a configuration shall know. */
static void warn_conditions(const AdmissionRequest *request)
{
  json_t *warnings = request->caller ? request->caller->warnings : NULL;
  size_t i;
  json_t *hook;
  if (!warnings || !webhook_is_exempt(request))
    return;
  json_array_foreach (json_object_get(request->object, "webhooks"), i, hook) {
    if (!json_array_size(json_object_get(hook, "matchConditions")))
      continue;
    g_autofree char *text =
        g_strdup_printf("webhooks[%zu].matchConditions: CEL expressions are not evaluated by this server: the webhook "
                        "is called whatever they say",
                        i);
    json_array_append_new(warnings, json_string(text));
  }
}

static void call_free(void *data)
{
  webhook_call_clear(data);
  g_free(data);
}

/* Starts the calls of one configuration's webhooks. */
static bool start_calls(const AdmissionRequest *request, Object *configuration, GPtrArray *calls, GError **error)
{
  size_t i;
  json_t *hook;
  json_array_foreach (json_object_get(object_json(configuration), "webhooks"), i, hook) {
    const ApiKind *kind;
    if (!webhook_match(request, hook, &kind, error))
      return false;
    if (!kind)
      continue;
    WebhookCall *call = g_new0(WebhookCall, 1);
    *call = (WebhookCall){ .request = request, .configuration = configuration, .hook = hook, .kind = kind };
    call->index = calls->len;
    g_ptr_array_add(calls, call);
    webhook_call_start(call);
  }
  return true;
}

/* Every call is waited for, so that warnings and annotations are complete; the first refusal counts. */
static bool finish_calls(GPtrArray *calls, GError **error)
{
  bool allowed = true;
  for (guint i = 0; i < calls->len; i++) {
    g_autoptr(json_t) response = NULL;
    if (!webhook_call_finish(calls->pdata[i], &response, allowed ? error : NULL))
      allowed = false;
  }
  return allowed;
}

static bool validate(void *state, const AdmissionRequest *request, GError **error)
{
  warn_conditions(request);
  if (webhook_is_exempt(request))
    return true;
  g_autoptr(GPtrArray) configurations = webhook_configurations(request->registry, PLURAL);
  g_autoptr(GPtrArray) calls = g_ptr_array_new_with_free_func(call_free);
  if (configurations->len == 0)
    return true;
  bool good = true;
  for (guint i = 0; good && i < configurations->len; i++)
    good = start_calls(request, configurations->pdata[i], calls, error);
  if (!good || calls->len == 0)
    return good;
  if (!http_worker_lend())
    return outbound_too_many(error);
  good = finish_calls(calls, error);
  http_worker_return();
  return good;
}

const AdmissionPlugin admission_validating_webhook = { .name = "ValidatingAdmissionWebhook",
                                                       .takes_bodies = true,
                                                       .validate = validate };
