#include "clusterd/controllers/access/bootstrap_signer.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/client/work_queue.h"

#define TOKEN_TYPE "bootstrap.kubernetes.io/token"
#define TOKEN_NAMESPACE "kube-system"
#define TOKEN_PREFIX "bootstrap-token-"
#define INFO_NAMESPACE "kube-public"
#define INFO_NAME "cluster-info"
#define INFO_CONTENT "kubeconfig"
#define SIGNATURE_PREFIX "jws-kubeconfig-"
#define INDEX_TOKENS "bootstrap tokens"
#define SHA256_LENGTH 32

struct BootstrapSigner {
  Client *client;
  Informer *secrets, *maps;
  WorkQueue *queue; /* one key: the ConfigMap's name */
};

/* --- signatures --------------------------------------------------------------------------------------------------
 */

/* RFC 7515: without padding, with the two letters that URLs bear. */
static char *encode(const void *data, gsize length)
{
  char *text = g_base64_encode(data, length);
  g_strdelimit(text, "+", '-');
  g_strdelimit(text, "/", '_');
  text[strcspn(text, "=")] = '\0';
  return text;
}

char *bootstrap_signature(const char *content, const char *id, const char *secret)
{
  guint8 digest[SHA256_LENGTH];
  gsize length = sizeof digest;
  g_autofree char *header_text = g_strdup_printf("{\"alg\":\"HS256\",\"kid\":\"%s\"}", id);
  g_autofree char *header = encode(header_text, strlen(header_text)), *body = encode(content, strlen(content));
  g_autofree char *signed_text = g_strconcat(header, ".", body, NULL);
  GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guchar *)secret, strlen(secret));
  g_hmac_update(hmac, (const guchar *)signed_text, (gssize)strlen(signed_text));
  g_hmac_get_digest(hmac, digest, &length);
  g_hmac_unref(hmac);
  g_autofree char *signature = encode(digest, length);
  return g_strconcat(header, "..", signature, NULL);
}

/* --- tokens ------------------------------------------------------------------------------------------------------
 */

static char **index_tokens(const Object *secret)
{
  bool token = strcmp(object_namespace(secret), TOKEN_NAMESPACE) == 0 &&
               strcmp(json_str(object_json(secret), "type", ""), TOKEN_TYPE) == 0;
  char **values = token ? g_new0(char *, 2) : NULL;
  if (token)
    values[0] = g_strdup(INDEX_TOKENS);
  return values;
}

static char *text_of(const Object *secret, const char *member)
{
  gsize length;
  const char *encoded = json_str(json_object_get(object_json(secret), "data"), member, "");
  g_autofree guchar *bytes = g_base64_decode(encoded, &length);
  return g_strndup((const char *)bytes, length);
}

static bool is_plain(const char *text)
{
  const char *c = text;
  while (g_ascii_isdigit(*c) || g_ascii_islower(*c))
    c++;
  return *text && !*c;
}

/* True while TOKEN signs; *LEFT_US gets less when it ends sooner. */
static bool is_signing(const Object *token, const char *id, const char *secret, int64_t *left_us)
{
  int64_t end_us;
  g_autofree char *usage = text_of(token, "usage-bootstrap-signing"), *expiration = text_of(token, "expiration");
  const char *name = object_name(token);
  if (strcmp(usage, "true") != 0 || !is_plain(id) || !is_plain(secret) || !g_str_has_prefix(name, TOKEN_PREFIX) ||
      strcmp(name + strlen(TOKEN_PREFIX), id) != 0)
    return false;
  if (!*expiration)
    return true;
  if (!timestamp_parse(expiration, &end_us) || end_us <= timestamp_now_us())
    return false;
  int64_t own_us = end_us - timestamp_now_us();
  *left_us = *left_us ? MIN(*left_us, own_us) : own_us;
  return true;
}

/* The signatures CONTENT should have: member → text. New reference. */
static json_t *make_signatures(const BootstrapSigner *signer, const char *content, int64_t *left_us)
{
  json_t *result = json_object();
  g_autoptr(GPtrArray) tokens = informer_by_index(signer->secrets, INDEX_TOKENS, INDEX_TOKENS);
  for (unsigned i = 0; content && i < tokens->len; i++) {
    const Object *token = g_ptr_array_index(tokens, i);
    g_autofree char *id = text_of(token, "token-id"), *secret = text_of(token, "token-secret");
    if (!is_signing(token, id, secret, left_us))
      continue;
    g_autofree char *member = g_strconcat(SIGNATURE_PREFIX, id, NULL);
    g_autofree char *signature = bootstrap_signature(content, id, secret);
    json_object_set_new(result, member, json_string(signature));
  }
  return result;
}

/* --- the ConfigMap -----------------------------------------------------------------------------------------------
 */

typedef struct Signing {
  const BootstrapSigner *signer;
  int64_t left_us;
} Signing;

static bool sign(json_t *map, void *data)
{
  Signing *signing = data;
  json_t *members = json_ensure_object(map, "data", NULL), *value;
  g_autoptr(json_t) before = json_copy(members);
  g_autoptr(json_t) signatures =
      make_signatures(signing->signer, json_str(members, INFO_CONTENT, NULL), &signing->left_us);
  const char *member;
  void *next;
  json_object_foreach_safe (members, next, member, value)
    if (g_str_has_prefix(member, SIGNATURE_PREFIX))
      json_object_del(members, member);
  json_object_update(members, signatures);
  return !json_equal(before, members);
}

static bool reconcile(const char *key, void *data)
{
  BootstrapSigner *signer = data;
  Signing signing = { .signer = signer };
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) stored =
      client_modify(signer->client, "v1", "configmaps", INFO_NAMESPACE, INFO_NAME, NULL, sign, &signing, &error);
  if (signing.left_us)
    work_queue_add_after(signer->queue, key, signing.left_us);
  if (stored || reason_is(error, REASON_NOT_FOUND))
    return true;
  g_info("%s: %s", key, error->message);
  return false;
}

static void on_map(Object *old, Object *new_object, void *data)
{
  BootstrapSigner *signer = data;
  if (new_object && strcmp(object_namespace(new_object), INFO_NAMESPACE) == 0 &&
      strcmp(object_name(new_object), INFO_NAME) == 0)
    work_queue_add(signer->queue, INFO_NAME);
}

static void on_secret(Object *old, Object *new_object, void *data)
{
  BootstrapSigner *signer = data;
  g_auto(GStrv) token = index_tokens(new_object ? new_object : old);
  if (token)
    work_queue_add(signer->queue, INFO_NAME);
}

BootstrapSigner *bootstrap_signer_new(const ControllerContext *context)
{
  BootstrapSigner *signer = g_new0(BootstrapSigner, 1);
  signer->client = client_new(context->registry, "bootstrap-signer");
  signer->secrets = informer_set_get(context->informers, "v1", "secrets");
  signer->maps = informer_set_get(context->informers, "v1", "configmaps");
  signer->queue = work_queue_new("bootstrap-signer", 1, reconcile, signer);
  informer_add_index(signer->secrets, INDEX_TOKENS, index_tokens);
  informer_add_handler(signer->secrets, on_secret, signer);
  informer_add_handler(signer->maps, on_map, signer);
  work_queue_start(signer->queue);
  return signer;
}

void bootstrap_signer_free(BootstrapSigner *signer)
{
  work_queue_free(signer->queue);
  client_free(signer->client);
  g_free(signer);
}
