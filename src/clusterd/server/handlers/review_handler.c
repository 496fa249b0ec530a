/* The kinds that are questions: who am I, may they, whose token is this. They are answered and never stored. */
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"

#define AUTHORIZATION "authorization.k8s.io"
#define AUTHENTICATION "authentication.k8s.io"

/* Fills status (and spec) of REVIEW. */
typedef bool (*ReviewAnswer)(ApiRequest *request, json_t *review, GError **error);

/* --- access --------------------------------------------------------------------------------------------------------
 */

static Attributes attributes_of(const json_t *spec)
{
  const json_t *resource = json_object_get(spec, "resourceAttributes");
  const json_t *other = json_object_get(spec, "nonResourceAttributes");
  if (other)
    return (Attributes){ .verb = json_str(other, "verb", ""), .path = json_str(other, "path", "") };
  const char *namespace_ = json_str(resource, "namespace", "");
  return (Attributes){ .verb = json_str(resource, "verb", ""),
                       .group = json_str(resource, "group", ""),
                       .resource = json_str(resource, "resource", ""),
                       .subresource = json_str(resource, "subresource", NULL),
                       .namespace_ = *namespace_ ? namespace_ : NULL,
                       .name = json_str(resource, "name", NULL) };
}

static bool answer_access(ApiRequest *request, json_t *review, const Identity *identity, GError **error)
{
  const json_t *spec = json_object_get(review, "spec");
  if (!json_object_get(spec, "resourceAttributes") == !json_object_get(spec, "nonResourceAttributes"))
    return api_error_invalid(error, request->kind->kind, AUTHORIZATION, "", "FieldValueInvalid",
                             "spec.resourceAttributes",
                             "exactly one of nonResourceAttributes or resourceAttributes must be specified");
  Attributes attributes = attributes_of(spec);
  g_autofree char *why = NULL;
  bool allowed = authorizer_decide(api_server_authorizer(request->server), identity, &attributes, &why);
  json_t *status = json_pack("{s:b}", "allowed", allowed);
  if (*why)
    json_object_set_new(status, "reason", json_string(why));
  json_object_set_new(review, "status", status);
  return true;
}

static bool answer_self_access(ApiRequest *request, json_t *review, GError **error)
{
  return answer_access(request, review, request->identity, error);
}

static Identity *identity_of_spec(const json_t *spec)
{
  g_autoptr(GStrvBuilder) groups = g_strv_builder_new();
  size_t i;
  json_t *group;
  json_array_foreach (json_object_get(spec, "groups"), i, group)
    if (json_is_string(group))
      g_strv_builder_add(groups, json_string_value(group));
  g_auto(GStrv) list = g_strv_builder_end(groups);
  return identity_new(json_str(spec, "user", ""), json_str(spec, "uid", NULL), (const char *const *)list);
}

static bool answer_subject_access(ApiRequest *request, json_t *review, GError **error)
{
  const json_t *spec = json_object_get(review, "spec");
  if (!*json_str(spec, "user", "") && json_array_size(json_object_get(spec, "groups")) == 0)
    return api_error_invalid(error, request->kind->kind, AUTHORIZATION, "", "FieldValueInvalid", "spec.user",
                             "\"\": at least one of user or group must be specified");
  g_autoptr(Identity) identity = identity_of_spec(json_object_get(review, "spec"));
  return answer_access(request, review, identity, error);
}

/* LocalSubjectAccessReview: the namespace of the request is the one that is asked about. */
static bool answer_local_access(ApiRequest *request, json_t *review, GError **error)
{
  const json_t *attributes = json_at(review, "spec", "resourceAttributes", NULL);
  const char *asked = json_str(attributes, "namespace", "");
  if (attributes && !g_str_equal(asked, request->info->namespace_ ? request->info->namespace_ : ""))
    return reason_set(error, REASON_BAD_REQUEST, "spec.resourceAttributes.namespace must match namespace: %s",
                      request->info->namespace_);
  if (json_at(review, "spec", "nonResourceAttributes", NULL))
    return api_error_invalid(error, request->kind->kind, AUTHORIZATION, "", "FieldValueInvalid",
                             "spec.nonResourceAttributes", "disallowed on this kind of request");
  return answer_subject_access(request, review, error);
}

static bool answer_self_rules(ApiRequest *request, json_t *review, GError **error)
{
  const char *namespace_ = json_str(json_object_get(review, "spec"), "namespace", "");
  if (!*namespace_)
    return reason_set(error, REASON_BAD_REQUEST, "no namespace on request");
  json_t *status = authorizer_rules(api_server_authorizer(request->server), request->identity, namespace_);
  json_object_set_new(status, "incomplete", json_false());
  json_object_set_new(review, "status", status);
  return true;
}

/* --- identity ------------------------------------------------------------------------------------------------------
 */

static bool answer_self(ApiRequest *request, json_t *review, GError **error)
{
  json_object_set_new(review, "status", json_pack("{s:o}", "userInfo", identity_user_info(request->identity)));
  return true;
}

/* Of the audiences WANTED those TOKEN is good for; without any, this API's. New reference. */
static json_t *shared_audiences(ApiRequest *request, const char *token, const json_t *wanted)
{
  json_t *shared = json_array();
  const char *const *own = service_account_tokens_audiences(api_server_tokens(request->server));
  size_t i;
  json_t *audience;
  for (i = 0; json_array_size(wanted) == 0 && own[i]; i++)
    json_array_append_new(shared, json_string(own[i]));
  json_array_foreach (wanted, i, audience) {
    const char *one[] = { json_string_value(audience), NULL };
    g_autoptr(Identity) identity =
        one[0] ? authenticate_token(api_server_authenticator(request->server), token, one, NULL) : NULL;
    if (identity)
      json_array_append(shared, audience);
  }
  return shared;
}

static bool answer_token(ApiRequest *request, json_t *review, GError **error)
{
  const json_t *spec = json_object_get(review, "spec");
  const char *token = json_str(spec, "token", "");
  const json_t *wanted = json_object_get(spec, "audiences");
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  size_t i;
  json_t *audience;
  if (!*token)
    return reason_set(error, REASON_BAD_REQUEST, "token is required for TokenReview in authentication");
  json_array_foreach (wanted, i, audience)
    if (json_is_string(audience))
      g_strv_builder_add(builder, json_string_value(audience));
  g_auto(GStrv) audiences = g_strv_builder_end(builder);
  g_autoptr(GError) problem = NULL;
  g_autoptr(Identity) identity = authenticate_token(api_server_authenticator(request->server), token,
                                                    audiences[0] ? (const char *const *)audiences : NULL, &problem);
  json_t *status = json_object();
  if (identity) {
    json_object_set_new(status, "authenticated", json_true());
    json_object_set_new(status, "user", identity_user_info(identity));
    json_object_set_new(status, "audiences", shared_audiences(request, token, wanted));
  } else {
    json_object_set_new(status, "user", json_object());
    json_object_set_new(status, "error", json_string(problem->message));
  }
  json_object_set_new(review, "status", status);
  return true;
}

/* --- dispatch ------------------------------------------------------------------------------------------------------
 */

typedef struct ReviewRow {
  const char *group, *plural;
  ReviewAnswer answer;
} ReviewRow;

static const ReviewRow rows[] = {
  { AUTHORIZATION, "selfsubjectaccessreviews", answer_self_access },
  { AUTHORIZATION, "subjectaccessreviews", answer_subject_access },
  { AUTHORIZATION, "localsubjectaccessreviews", answer_local_access },
  { AUTHORIZATION, "selfsubjectrulesreviews", answer_self_rules },
  { AUTHENTICATION, "selfsubjectreviews", answer_self },
  { AUTHENTICATION, "tokenreviews", answer_token },
};

static void review(ApiRequest *request, const ReviewRow *row)
{
  const ApiKind *kind = request->kind;
  g_autoptr(GError) error = NULL;
  g_autofree char *version = api_group_version(kind);
  g_autoptr(json_t) body = NULL;
  if (!g_str_equal(request->info->verb, "create"))
    api_error_method(&error);
  else
    body = request_body(request, kind->message, kind->version, kind->kind, FIELD_VALIDATION_WARN, &error);
  if (!body || !row->answer(request, body, &error)) {
    respond_error(request, error);
    return;
  }
  json_object_set_new(body, "kind", json_string(kind->kind));
  json_object_set_new(body, "apiVersion", json_string(version));
  json_ensure_object(body, "metadata", NULL);
  respond_value(request, 201, kind->message, g_steal_pointer(&body));
}

bool handle_review(ApiRequest *request)
{
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    if (g_str_equal(rows[i].group, request->kind->group) && g_str_equal(rows[i].plural, request->kind->plural)) {
      review(request, &rows[i]);
      return true;
    }
  }
  return false;
}
