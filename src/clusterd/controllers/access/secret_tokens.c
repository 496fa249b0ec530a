#include "clusterd/controllers/access/secret_tokens.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/object_queue.h"

#define TYPE_ACCOUNT "kubernetes.io/service-account-token"
#define TYPE_BOOTSTRAP "bootstrap.kubernetes.io/token"
#define ACCOUNT_NAME "kubernetes.io/service-account.name"
#define ACCOUNT_UID "kubernetes.io/service-account.uid"
#define INDEX_ACCOUNT "service account" /* "namespace/name" */
#define WORKERS 1

struct SecretTokensController {
  Client *client;
  char *root_ca_pem; /* may be NULL */
  SecretTokenIssue issue;
  void *issuer;
  ObjectQueue secrets;
};

static const char *annotation(const Object *secret, const char *name)
{
  return json_str(json_at(object_json(secret), "metadata", "annotations", NULL), name, "");
}

static bool has_type(const Object *secret, const char *type)
{
  return g_str_equal(json_str(object_json(secret), "type", ""), type);
}

static char **index_by_account(const Object *secret)
{
  if (!has_type(secret, TYPE_ACCOUNT))
    return NULL;
  char **values = g_new0(char *, 2);
  values[0] = g_strdup_printf("%s/%s", object_namespace(secret), annotation(secret, ACCOUNT_NAME));
  return values;
}

/* What becomes of an account decides over its tokens. */
static void on_account(Object *old, Object *new_object, void *data)
{
  SecretTokensController *controller = data;
  if (old && new_object)
    return;
  g_autofree char *key = informer_key(old ? old : new_object);
  g_autoptr(GPtrArray) secrets = informer_by_index(controller->secrets.objects, INDEX_ACCOUNT, key);
  for (guint i = 0; i < secrets->len; i++)
    object_queue_add(&controller->secrets, secrets->pdata[i]);
}

static bool delete_secret(const SecretTokensController *controller, const Object *secret, GError **error)
{
  DeleteOptions options = { .grace_period_seconds = -1, .precondition_uid = object_uid(secret) };
  g_autoptr(GError) problem = NULL;
  if (client_delete(controller->client, "v1", "secrets", object_namespace(secret), object_name(secret), &options,
                    &problem) ||
      reason_is(problem, REASON_NOT_FOUND))
    return true;
  g_propagate_error(error, g_steal_pointer(&problem));
  return false;
}

/* --- tokens of service accounts ------------------------------------------------------------------------------------
 */

typedef struct Filling {
  const SecretTokensController *controller;
  const Object *account;
  const char *token; /* base64 */
} Filling;

static bool set_data(json_t *data, const char *member, const char *text)
{
  g_autofree char *encoded = g_base64_encode((const guchar *)text, strlen(text));
  if (g_str_equal(json_str(data, member, ""), encoded))
    return false;
  json_object_set_new(data, member, json_string(encoded));
  return true;
}

static bool fill(json_t *secret, void *data)
{
  const Filling *filling = data;
  json_t *members = json_ensure_object(secret, "data", NULL);
  json_t *annotations = json_ensure_object(secret, "metadata", "annotations", NULL);
  bool changed = set_data(members, "namespace", object_namespace(filling->account));
  if (filling->controller->root_ca_pem)
    changed = set_data(members, "ca.crt", filling->controller->root_ca_pem) || changed;
  if (!*json_str(members, "token", "")) {
    json_object_set_new(members, "token", json_string(filling->token));
    changed = true;
  }
  if (!*json_str(annotations, ACCOUNT_UID, "")) {
    json_object_set_new(annotations, ACCOUNT_UID, json_string(object_uid(filling->account)));
    changed = true;
  }
  return changed;
}

static bool sync_account_token(const SecretTokensController *controller, const Object *secret, GError **error)
{
  const char *name = annotation(secret, ACCOUNT_NAME), *uid = annotation(secret, ACCOUNT_UID);
  g_autoptr(GError) problem = NULL;
  g_autoptr(Object) account =
      client_get(controller->client, "v1", "serviceaccounts", object_namespace(secret), name, &problem);
  if (!account && !reason_is(problem, REASON_NOT_FOUND)) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
  }
  if (!account || (*uid && !g_str_equal(uid, object_uid(account))))
    return delete_secret(controller, secret, error);
  if (!controller->issue)
    return true;
  g_autofree char *token = controller->issue(controller->issuer, account, object_name(secret), error);
  if (!token)
    return false;
  g_autofree char *encoded = g_base64_encode((const guchar *)token, strlen(token));
  Filling filling = { controller, account, encoded };
  g_autoptr(Object) filled = client_modify(controller->client, "v1", "secrets", object_namespace(secret),
                                           object_name(secret), NULL, fill, &filling, error);
  return filled != NULL;
}

/* --- bootstrap tokens ----------------------------------------------------------------------------------------------
 */

/* Deletes a token whose time is over, else comes back when it will be. */
static bool sync_bootstrap_token(const SecretTokensController *controller, const char *key, const Object *secret,
                                 GError **error)
{
  gsize length;
  int64_t end_us;
  const char *encoded = json_str(json_object_get(object_json(secret), "data"), "expiration", "");
  g_autofree guchar *bytes = g_base64_decode(encoded, &length);
  g_autofree char *expiration = g_strndup((const char *)bytes, length);
  if (!timestamp_parse(expiration, &end_us))
    return true;
  int64_t left_us = end_us - timestamp_now_us();
  if (left_us <= 0)
    return delete_secret(controller, secret, error);
  work_queue_add_after(controller->secrets.work, key, left_us);
  return true;
}

static bool sync_secret(void *data, const char *key, Object *secret, GError **error)
{
  SecretTokensController *controller = data;
  if (json_at(object_json(secret), "metadata", "deletionTimestamp", NULL))
    return true;
  if (has_type(secret, TYPE_ACCOUNT))
    return sync_account_token(controller, secret, error);
  if (has_type(secret, TYPE_BOOTSTRAP) && g_str_equal(object_namespace(secret), "kube-system"))
    return sync_bootstrap_token(controller, key, secret, error);
  return true;
}

SecretTokensController *secret_tokens_controller_new(const ControllerContext *context)
{
  SecretTokensController *controller = g_new0(SecretTokensController, 1);
  controller->client = client_new(context->registry, "tokens-controller");
  controller->root_ca_pem = g_strdup(context->config->root_ca_pem);
  controller->issue = context->config->issue_secret_token;
  controller->issuer = context->config->issuer;
  controller->secrets = (ObjectQueue){ .kind = "secret",
                                       .objects = informer_set_get(context->informers, "v1", "secrets"),
                                       .sync = sync_secret,
                                       .controller = controller };
  informer_add_index(controller->secrets.objects, INDEX_ACCOUNT, index_by_account);
  object_queue_open(&controller->secrets, WORKERS);
  informer_add_handler(informer_set_get(context->informers, "v1", "serviceaccounts"), on_account, controller);
  work_queue_start(controller->secrets.work);
  return controller;
}

void secret_tokens_controller_free(SecretTokensController *controller)
{
  work_queue_free(controller->secrets.work);
  client_free(controller->client);
  g_free(controller->root_ca_pem);
  g_free(controller);
}
