#include "clusterd/controllers/access/certificate_signing.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/object_queue.h"
#include "clusterd/controllers/access/certificate_signers.h"

#define CERTIFICATES "certificates.k8s.io/v1"
#define PLURAL "certificatesigningrequests"
#define WORKERS 1
#define LIFETIME_MIN_SECONDS 600 /* of a certificate */
#define KEPT_DECIDED_SECONDS 3600
#define KEPT_PENDING_SECONDS 86400

struct CertificateSigningController {
  Client *client;
  X509Pair *authority; /* NULL: nothing is signed */
  int64_t lifetime_seconds;
  AccessCheck may;
  void *owner;
  ObjectQueue requests;
};

static const json_t *condition_of(const json_t *request, const char *type)
{
  size_t i;
  json_t *condition;
  json_array_foreach (json_at(request, "status", "conditions", NULL), i, condition)
    if (g_str_equal(json_str(condition, "type", ""), type) && g_str_equal(json_str(condition, "status", ""), "True"))
      return condition;
  return NULL;
}

static bool is_issued(const json_t *request)
{
  return *json_str(json_object_get(request, "status"), "certificate", "") != 0;
}

static CertificateRequest *parse(const json_t *request, GError **error)
{
  gsize length;
  g_autofree guchar *pem = g_base64_decode(json_str(json_object_get(request, "spec"), "request", ""), &length);
  return certificate_request_parse(pem, length, error);
}

static bool append_condition(json_t *request, const char *type, const char *reason, const char *message)
{
  json_t *status = json_ensure_object(request, "status", NULL);
  if (condition_of(request, type))
    return false;
  if (!json_is_array(json_object_get(status, "conditions")))
    json_object_set_new(status, "conditions", json_array());
  g_autofree char *now = timestamp_now();
  json_array_append_new(json_object_get(status, "conditions"),
                        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type", type, "status", "True", "reason", reason,
                                  "message", message, "lastUpdateTime", now, "lastTransitionTime", now));
  return true;
}

/* --- approval ------------------------------------------------------------------------------------------------------
 */

/* Whether who asked may have SUBRESOURCE of requests made for him. */
static bool may_have(const CertificateSigningController *controller, const json_t *spec, const char *subresource)
{
  const json_t *list = json_object_get(spec, "groups");
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  size_t i;
  json_t *group;
  json_array_foreach (list, i, group)
    if (json_is_string(group))
      g_strv_builder_add(builder, json_string_value(group));
  g_auto(GStrv) groups = g_strv_builder_end(builder);
  g_autoptr(Identity) identity = identity_new(json_str(spec, "username", ""), NULL, (const char *const *)groups);
  return controller->may(controller->owner, identity, "create", "certificates.k8s.io", PLURAL, subresource);
}

static bool approve(json_t *request, void *message)
{
  return !condition_of(request, "Denied") && append_condition(request, "Approved", "AutoApproved", message);
}

/* A kubelet's client certificate is approved for the node itself, and for who may bring nodes in. */
static bool approve_node(const CertificateSigningController *controller, const Object *object, GError **error)
{
  static char self_message[] = "Auto approving self kubelet client certificate after SubjectAccessReview.";
  static char node_message[] = "Auto approving kubelet client certificate after SubjectAccessReview.";
  const json_t *spec = json_object_get(object_json(object), "spec");
  g_autofree char *owned = NULL;
  g_autoptr(CertificateRequest) request = parse(object_json(object), NULL);
  if (!request || !controller->may ||
      certificate_signer_objection(SIGNER_KUBELET_CLIENT, request, json_object_get(spec, "usages"), &owned))
    return true;
  bool self = g_str_equal(json_str(spec, "username", ""), request->common_name);
  char *message = self && may_have(controller, spec, "selfnodeclient") ? self_message
                  : may_have(controller, spec, "nodeclient")           ? node_message
                                                                       : NULL;
  if (!message)
    return true;
  g_autoptr(Object) stored = client_modify(controller->client, CERTIFICATES, PLURAL, NULL, object_name(object),
                                           "approval", approve, message, error);
  return stored != NULL;
}

/* --- signing -------------------------------------------------------------------------------------------------------
 */

static bool add_failure(json_t *request, void *message)
{
  return append_condition(request, "Failed", "SignerValidationFailure", message);
}

static bool add_certificate(json_t *request, void *encoded)
{
  if (is_issued(request))
    return false;
  json_object_set_new(json_ensure_object(request, "status", NULL), "certificate", json_string(encoded));
  return true;
}

static bool write_status(const CertificateSigningController *controller, const Object *object, RegistryChange change,
                         void *data, GError **error)
{
  g_autoptr(Object) stored =
      client_modify(controller->client, CERTIFICATES, PLURAL, NULL, object_name(object), "status", change, data, error);
  return stored != NULL;
}

static int64_t lifetime_of(const CertificateSigningController *controller, const json_t *spec)
{
  int64_t wanted = json_int(spec, "expirationSeconds", controller->lifetime_seconds);
  return CLAMP(wanted, LIFETIME_MIN_SECONDS, controller->lifetime_seconds);
}

static char *sign_request(const CertificateSigningController *controller, const CertificateRequest *request,
                          const json_t *spec, GError **error)
{
  g_autoptr(GPtrArray) usages = g_ptr_array_new();
  size_t i;
  json_t *usage;
  json_array_foreach (json_object_get(spec, "usages"), i, usage)
    g_ptr_array_add(usages, (char *)(uintptr_t)json_string_value(usage));
  g_ptr_array_add(usages, NULL);
  return certificate_request_sign(request, controller->authority, (const char *const *)usages->pdata,
                                  lifetime_of(controller, spec), error);
}

static bool sign_approved(const CertificateSigningController *controller, const Object *object, GError **error)
{
  const json_t *spec = json_object_get(object_json(object), "spec");
  const char *signer = json_str(spec, "signerName", "");
  if (!controller->authority || !certificate_signer_is_known(signer))
    return true;
  g_autofree char *owned = NULL;
  g_autoptr(CertificateRequest) request = parse(object_json(object), error);
  if (!request)
    return false;
  const char *objection = certificate_signer_objection(signer, request, json_object_get(spec, "usages"), &owned);
  if (objection)
    return write_status(controller, object, add_failure, (char *)(uintptr_t)objection, error);
  g_autofree char *pem = sign_request(controller, request, spec, error);
  if (!pem)
    return false;
  g_autofree char *encoded = g_base64_encode((const guchar *)pem, strlen(pem));
  return write_status(controller, object, add_certificate, encoded, error);
}

/* --- the end -------------------------------------------------------------------------------------------------------
 */

/* When the request is of no more use, microseconds since 1970. */
static int64_t end_of(const json_t *request)
{
  static const char *const decisions[] = { "Approved", "Denied", "Failed" };
  int64_t from_us = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(decisions); i++) {
    const json_t *condition = condition_of(request, decisions[i]);
    bool counts = condition && (i > 0 || is_issued(request));
    if (counts && timestamp_parse(json_str(condition, "lastUpdateTime", NULL), &from_us))
      return from_us + (int64_t)KEPT_DECIDED_SECONDS * G_USEC_PER_SEC;
  }
  timestamp_parse(json_str(json_object_get(request, "metadata"), "creationTimestamp", NULL), &from_us);
  return from_us + (int64_t)KEPT_PENDING_SECONDS * G_USEC_PER_SEC;
}

/* *LEFT_US gets how long OBJECT still stays; at 0 it is deleted. */
static bool take_away(const CertificateSigningController *controller, const Object *object, int64_t *left_us,
                      GError **error)
{
  *left_us = end_of(object_json(object)) - timestamp_now_us();
  if (*left_us > 0)
    return true;
  *left_us = 0;
  DeleteOptions options = { .grace_period_seconds = -1, .precondition_uid = object_uid(object) };
  return client_delete(controller->client, CERTIFICATES, PLURAL, NULL, object_name(object), &options, error);
}

static bool sync_request(void *data, const char *key, Object *object, GError **error)
{
  CertificateSigningController *controller = data;
  const json_t *request = object_json(object);
  int64_t left_us;
  if (json_at(request, "metadata", "deletionTimestamp", NULL))
    return true;
  if (!take_away(controller, object, &left_us, error))
    return false;
  if (left_us == 0)
    return true;
  work_queue_add_after(controller->requests.work, key, left_us);
  if (is_issued(request) || condition_of(request, "Denied") || condition_of(request, "Failed"))
    return true;
  if (condition_of(request, "Approved"))
    return sign_approved(controller, object, error);
  const char *signer = json_str(json_object_get(request, "spec"), "signerName", "");
  return !g_str_equal(signer, SIGNER_KUBELET_CLIENT) || approve_node(controller, object, error);
}

CertificateSigningController *certificate_signing_controller_new(const ControllerContext *context)
{
  const ControllersConfig *config = context->config;
  CertificateSigningController *controller = g_new0(CertificateSigningController, 1);
  controller->client = client_new(context->registry, "certificate-controller");
  controller->lifetime_seconds = MAX(config->signing_lifetime_seconds, LIFETIME_MIN_SECONDS);
  controller->may = config->may;
  controller->owner = config->issuer;
  if (config->signing_cert_file) {
    g_autoptr(GError) error = NULL;
    controller->authority = x509_load_files(config->signing_cert_file, config->signing_key_file, &error);
    if (!controller->authority)
      g_message("certificates are not signed: %s", error->message);
  }
  controller->requests = (ObjectQueue){ .kind = "certificate signing request",
                                        .objects = informer_set_get(context->informers, CERTIFICATES, PLURAL),
                                        .sync = sync_request,
                                        .controller = controller };
  object_queue_open(&controller->requests, WORKERS);
  work_queue_start(controller->requests.work);
  return controller;
}

void certificate_signing_controller_free(CertificateSigningController *controller)
{
  work_queue_free(controller->requests.work);
  client_free(controller->client);
  x509_pair_free(controller->authority);
  g_free(controller);
}
