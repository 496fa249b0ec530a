#pragma once
/*
 * Admission webhooks: which are called for a request, with what, and what their answers mean. Shared by the plugins
 * MutatingAdmissionWebhook and ValidatingAdmissionWebhook. Source: admissionregistration.k8s.io/v1, admission.k8s.io/v1
 * and v1beta1.
 */
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/outbound/outbound.h"
#include "clusterd/server/registry/registry_private.h"

#define WEBHOOK_TIMEOUT_DEFAULT 10 /* seconds */
#define WEBHOOK_WARNINGS_MAX 64    /* of one answer that are passed on */

/* --- webhook_match.c --- */

/* The configurations of PLURAL ("mutatingwebhookconfigurations"), by name: Object*, with references. */
GPtrArray *webhook_configurations(Registry *registry, const char *plural);

/* True for requests no webhook may stand in the way of: the configurations themselves. */
bool webhook_is_exempt(const AdmissionRequest *request);

/* Whether HOOK is to be called: *KIND becomes the version of the resource its rule names, or NULL when it is not to be
 * called. False with an error when that cannot be told. */
bool webhook_match(const AdmissionRequest *request, const json_t *hook, const ApiKind **kind, GError **error);

/* --- webhook_review.c --- */

/* Group, version and kind of what KIND's subresource (NULL: KIND itself) speaks; borrowed from both. */
typedef struct WebhookKind {
  const char *group, *version, *kind;
} WebhookKind;
WebhookKind webhook_kind(const ApiKind *kind, const char *subresource);

/* VALUE (the request's object or old one, may be NULL) as KIND shows it. New reference: JSON null for none. NULL with
 * an error. */
json_t *webhook_show(const AdmissionRequest *request, const ApiKind *kind, const json_t *value, GError **error);

/* The AdmissionReview that is sent. New reference. */
json_t *webhook_review(const AdmissionRequest *request, const json_t *hook, const ApiKind *kind, const char *uid,
                       GError **error);

/* The response in the review ANSWER to a REVIEW; borrowed. NULL with REASON_INTERNAL and why it is none. */
const json_t *webhook_response(const json_t *review, const json_t *answer, bool mutating, GError **error);

/* --- webhook_call.c --- */

typedef struct WebhookCall {
  const AdmissionRequest *request;
  const Object *configuration;
  const json_t *hook;
  const ApiKind *kind;
  bool mutating;
  unsigned round, index; /* where in the order of calls, for audit annotations */
  json_t *review;
  OutboundPost *post;
  GError *problem;  /* before the call */
  bool unsupported; /* PROBLEM is the client's, whatever the failure policy is */
} WebhookCall;

void webhook_call_clear(WebhookCall *call);

/* Sends the review; the members down to INDEX are set. */
void webhook_call_start(WebhookCall *call);

/* Waits for the answer. True when the request may go on: *RESPONSE is the answer (new reference), or NULL when the call
 * failed and that is to be ignored. False with the error for the client. */
bool webhook_call_finish(WebhookCall *call, json_t **response, GError **error);

/* What the failure policy makes of a call that did not work, for the reason WHY: true when that is to be ignored, else
 * false with the error for the client. */
bool webhook_call_failed(const WebhookCall *call, const GError *why, GError **error);

/* `Internal error occurred: WHY`, with the cause upstream gives. Returns false. */
bool webhook_internal_error(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
