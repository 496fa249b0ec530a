/* Calling one webhook, and what its failure means. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission/webhook.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/outbound/client_config.h"
#include "clusterd/server/registry/registry_private.h"

#define FAILED_OPEN "failed-open.%s.webhook.admission.k8s.io/round_%u_index_%u"

bool webhook_internal_error(GError **error, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *why = g_strdup_vprintf(format, args);
  va_end(args);
  return reason_set_details(error, REASON_INTERNAL, json_pack("{s:[{s:s}]}", "causes", "message", why),
                            "Internal error occurred: %s", why);
}

void webhook_call_clear(WebhookCall *call)
{
  g_clear_pointer(&call->post, outbound_post_free);
  g_clear_pointer(&call->review, json_decref);
  g_clear_error(&call->problem);
}

static const char *name_of(const WebhookCall *call)
{
  return json_str(call->hook, "name", "");
}

/* A webhook that acts on what it sees must not be asked about a write that is only tried. */
static bool check_dry_run(WebhookCall *call)
{
  const char *effects = json_str(call->hook, "sideEffects", "");
  if (!call->request->caller || !call->request->caller->dry_run || g_str_equal(effects, "None") ||
      g_str_equal(effects, "NoneOnDryRun"))
    return true;
  call->unsupported = true;
  return reason_set(&call->problem, REASON_BAD_REQUEST, "admission webhook \"%s\" does not support dry run",
                    name_of(call));
}

void webhook_call_start(WebhookCall *call)
{
  if (!check_dry_run(call))
    return;
  g_autofree char *uid = g_uuid_string_random();
  call->review = webhook_review(call->request, call->hook, call->kind, uid, &call->problem);
  if (!call->review)
    return;
  call->post = client_config_post_start(
      call->request->registry, json_object_get(call->hook, "clientConfig"), call->review,
      (unsigned)json_int(call->hook, "timeoutSeconds", WEBHOOK_TIMEOUT_DEFAULT), &call->problem);
  if (!call->post)
    g_prefix_error(&call->problem, "failed to call webhook: ");
}

/* --- what the answer says ------------------------------------------------------------------------------------------
 */

static void annotate(const WebhookCall *call, const char *key, const char *value)
{
  json_t *annotations = call->request->caller ? call->request->caller->annotations : NULL;
  if (annotations)
    json_object_set_new(annotations, key, json_string(value));
}

static void take_notes(const WebhookCall *call, const json_t *response)
{
  const char *key;
  json_t *value, *warning;
  size_t i;
  json_object_foreach (json_object_get(response, "auditAnnotations"), key, value) {
    g_autofree char *full = g_strdup_printf("%s/%s", name_of(call), key);
    if (json_is_string(value))
      annotate(call, full, json_string_value(value));
  }
  json_t *warnings = call->request->caller ? call->request->caller->warnings : NULL;
  json_array_foreach (json_object_get(response, "warnings"), i, warning)
    if (warnings && json_is_string(warning) && i < WEBHOOK_WARNINGS_MAX)
      json_array_append(warnings, warning);
}

/* The status the webhook gave, which is upstream's whole answer to the client. */
static bool reject(const WebhookCall *call, const json_t *response, GError **error)
{
  const json_t *given = json_object_get(response, "status");
  json_t *status = json_is_object(given) ? json_deep_copy(given) : json_object();
  const char *message = json_str(status, "message", ""), *reason = json_str(status, "reason", "");
  g_autofree char *text =
      g_strdup_printf("admission webhook \"%s\" denied the request%s%s", name_of(call),
                      *message || *reason ? ": " : " without explanation", *message ? message : reason);
  json_int_t code = json_int(status, "code", 0);
  json_object_set_new(status, "code", json_integer(code < 400 || code > 599 ? 400 : code));
  if (!g_str_equal(json_str(status, "status", ""), "Failure"))
    json_object_set_new(status, "status", json_string("Failure"));
  json_object_set_new(status, "message", json_string(text));
  return api_error_status(error, status);
}

bool webhook_call_failed(const WebhookCall *call, const GError *why, GError **error)
{
  if (reason_is(why, REASON_TOO_MANY_REQUESTS)) {
    g_propagate_error(error, g_error_copy(why));
    return false;
  }
  g_autofree char *text = g_strdup_printf("failed calling webhook \"%s\": %s", name_of(call), why->message);
  if (!g_str_equal(json_str(call->hook, "failurePolicy", "Fail"), "Ignore"))
    return webhook_internal_error(error, "%s", text);
  g_autofree char *key =
      g_strdup_printf(FAILED_OPEN, call->mutating ? "mutating" : "validating", call->round, call->index);
  annotate(call, key, name_of(call));
  g_message("%s; it is ignored as its failurePolicy says", text);
  return true;
}

bool webhook_call_finish(WebhookCall *call, json_t **response, GError **error)
{
  *response = NULL;
  if (call->problem && call->unsupported) {
    g_propagate_error(error, g_steal_pointer(&call->problem));
    return false;
  }
  if (call->problem)
    return webhook_call_failed(call, call->problem, error);
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) answer = outbound_post_finish(call->post, &problem);
  if (!answer) {
    g_prefix_error(&problem, "failed to call webhook: ");
    return webhook_call_failed(call, problem, error);
  }
  const json_t *found = webhook_response(call->review, answer, call->mutating, &problem);
  if (!found) {
    g_prefix_error(&problem, "received invalid webhook response: ");
    return webhook_call_failed(call, problem, error);
  }
  take_notes(call, found);
  if (!json_flag(found, "allowed", false))
    return reject(call, found, error);
  *response = json_incref((json_t *)(uintptr_t)found);
  return true;
}
