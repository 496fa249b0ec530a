/* Certificate signing requests. Source: k8s.io/kubernetes/pkg/{apis,registry}/certificates. */
#include <string.h>

#include "base/certificate_request.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/strategies/strategy_common.h"
#include "clusterd/api/validation.h"

#define LIFETIME_MIN 600
#define LEGACY_SIGNER "kubernetes.io/legacy-unknown"
#define SHOWN_MAX 16384 /* bytes of a request that an error repeats */

/* That the request is PEM of the right type and signed with its own key. */
static void check_request(const json_t *spec, FieldErrors *errors)
{
  gsize length = 0;
  g_autofree guchar *bytes = g_base64_decode(json_str(spec, "request", ""), &length);
  g_autoptr(GError) error = NULL;
  g_autoptr(CertificateRequest) request = length ? certificate_request_parse(bytes, length, &error) : NULL;
  if (length == 0 || request)
    return;
  g_autoptr(GString) shown = g_string_new("[]byte{");
  for (gsize i = 0; i < MIN(length, SHOWN_MAX); i++)
    g_string_append_printf(shown, "%s0x%x", i ? ", " : "", bytes[i]);
  g_string_append_c(shown, '}');
  field_errors_add_shown(errors, FIELD_INVALID, "spec.request", shown->str, error->message);
}

static void check_usages(const json_t *usages, FieldErrors *errors)
{
  const char *const *known = certificate_usages();
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  size_t index;
  json_t *usage;
  json_array_foreach ((json_t *)(uintptr_t)usages, index, usage) {
    g_autofree char *path = field_path_index("spec.usages", index);
    if (!g_strv_contains(known, json_string_value(usage)))
      field_errors_add_unsupported(errors, path, usage, known);
  }
  json_array_foreach ((json_t *)(uintptr_t)usages, index, usage) {
    g_autofree char *path = field_path_index("spec.usages", index);
    if (!g_hash_table_add(seen, (gpointer)(uintptr_t)json_string_value(usage)))
      field_errors_add(errors, FIELD_DUPLICATE, path, usage, NULL);
  }
}

static const char *check_labels(const char *segment, bool (*good)(const char *text))
{
  g_auto(GStrv) labels = g_strsplit(segment, ".", -1);
  for (char **label = labels; *label; label++) {
    if (!good(*label))
      return g_intern_string(*label);
  }
  return NULL;
}

/* "example.com/signer-name" */
static void check_signer(const json_t *signer, FieldErrors *errors)
{
  static const char path[] = "spec.signerName";
  static const char label_rule[] =
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
      "with "
      "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
      "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  const char *text = json_string_value(signer);
  g_auto(GStrv) segments = g_strsplit(text, "/", -1);
  if (g_strv_length(segments) != 2) {
    field_errors_add(errors, FIELD_INVALID, path, signer,
                     "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    return;
  }
  g_autoptr(json_t) domain = json_string(segments[0]), name = json_string(segments[1]);
  const char *bad = check_labels(segments[0], api_is_dns_label);
  if (bad)
    field_errors_add(errors, FIELD_INVALID, path, domain, "validating label \"%s\": %s", bad, label_rule);
  if (!strchr(segments[0], '.'))
    field_errors_add(errors, FIELD_INVALID, path, domain,
                     "should be a domain with at least two segments separated by dots");
  bad = check_labels(segments[1], api_is_dns_label);
  if (bad)
    field_errors_add(errors, FIELD_INVALID, path, name,
                     "validating label \"%s\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                     "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
                     "'example.com', regex used for validation is "
                     "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                     bad);
}

static const json_t *find_condition(const json_t *object, const char *type)
{
  return json_find(json_at(object, "status", "conditions", NULL), "type", type);
}

static void check_conditions(const json_t *object, FieldErrors *errors)
{
  static const char *const all[] = { "False", "True", "Unknown", NULL }, *const only_true[] = { "True", NULL };
  static const char *const fixed[] = { "Approved", "Denied", "Failed", NULL };
  const json_t *first = NULL;
  size_t index;
  json_t *condition;
  json_array_foreach (json_at(object, "status", "conditions", NULL), index, condition) {
    const char *type = json_str(condition, "type", "");
    const json_t *status = json_object_get(condition, "status");
    const char *const *allowed = g_strv_contains(fixed, type) ? only_true : all;
    bool judged = strcmp(type, "Approved") == 0 || strcmp(type, "Denied") == 0;
    g_autofree char *path = field_path_index("status.conditions", index);
    g_autofree char *status_path = field_path_child(path, "status");
    if (!*type)
      field_errors_add_at(errors, FIELD_REQUIRED, path, "type", NULL, NULL);
    if (json_string_length(status) == 0)
      field_errors_add(errors, FIELD_REQUIRED, status_path, NULL, NULL);
    else if (!g_strv_contains(allowed, json_string_value(status)))
      field_errors_add_unsupported(errors, status_path, status, allowed);
    if (judged && first && strcmp(json_str(first, "type", ""), type) != 0)
      field_errors_add_at(errors, FIELD_INVALID, path, "type", json_object_get(condition, "type"),
                          "Approved and Denied conditions are mutually exclusive");
    if (*type && find_condition(object, type) != condition)
      field_errors_add_at(errors, FIELD_DUPLICATE, path, "type", json_object_get(condition, "type"), NULL);
    first = judged && !first ? condition : first;
  }
}

static void request_validate_create(const json_t *object, FieldErrors *errors)
{
  const json_t *spec = json_object_get(object, "spec"), *signer = json_object_get(spec, "signerName");
  const json_t *seconds = json_object_get(spec, "expirationSeconds");
  check_request(spec, errors);
  check_usages(json_object_get(spec, "usages"), errors);
  if (strcmp(json_str(spec, "signerName", ""), LEGACY_SIGNER) == 0)
    field_errors_add(errors, FIELD_INVALID, "spec.signerName", signer,
                     "the legacy signerName is not allowed via this API version");
  else if (json_string_length(signer) > 0)
    check_signer(signer, errors);
  if (seconds && json_integer_value(seconds) < LIFETIME_MIN)
    field_errors_add(errors, FIELD_INVALID, "spec.expirationSeconds", seconds,
                     "may not specify a duration less than %d seconds (10 minutes)", LIFETIME_MIN);
  check_conditions(object, errors);
}

static void check_condition_changes(const json_t *object, const json_t *old, const char *subresource,
                                    FieldErrors *errors)
{
  static const char *const types[] = { "Approved", "Denied", "Failed" };
  bool approval = subresource && strcmp(subresource, "approval") == 0;
  for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
    const json_t *before = find_condition(old, types[i]), *after = find_condition(object, types[i]);
    const char *change = before && !after                              ? "remove"
                         : approval || strcmp(types[i], "Failed") == 0 ? NULL
                         : !before && after                            ? "add"
                         : !json_same(before, after)                   ? "modify"
                                                                       : NULL;
    if (change)
      field_errors_add(errors, FIELD_FORBIDDEN, "status.conditions", NULL,
                       "updates may not %s a condition of type \"%s\"", change, types[i]);
  }
}

static void request_validate_update(const json_t *object, const json_t *old, const ApiWriteContext *context,
                                    FieldErrors *errors)
{
  const char *subresource = context ? context->subresource : NULL;
  const json_t *before = json_at(old, "status", "certificate", NULL);
  bool same = json_same(json_at(object, "status", "certificate", NULL), before);
  check_conditions(object, errors);
  check_condition_changes(object, old, subresource, errors);
  if (!same && (!subresource || strcmp(subresource, "status") != 0))
    field_errors_add(errors, FIELD_FORBIDDEN, "status.certificate", NULL, "updates may not set certificate content");
  else if (!same && json_string_length(before) > 0)
    field_errors_add(errors, FIELD_FORBIDDEN, "status.certificate", NULL,
                     "updates may not modify existing certificate content");
}

/* Conditions get the time they were written, and keep that of their last change of status. */
static void date_conditions(json_t *object, const json_t *old)
{
  size_t index;
  json_t *condition;
  g_autofree char *now = timestamp_now();
  json_array_foreach (json_at(object, "status", "conditions", NULL), index, condition) {
    const json_t *before = find_condition(old, json_str(condition, "type", ""));
    bool same = before && strcmp(json_str(before, "status", ""), json_str(condition, "status", "")) == 0;
    strategy_default(condition, "lastUpdateTime", json_string(now));
    strategy_default(condition, "lastTransitionTime",
                     json_string(same ? json_str(before, "lastTransitionTime", now) : now));
  }
}

/* What is asked for never changes. */
static void request_prepare_update(json_t *object, const json_t *old, const ApiWriteContext *context)
{
  strategy_split_status(object, old, context);
  strategy_carry(object, old, "spec");
  if (context && context->subresource) /* else the status is OLD's, which others read */
    date_conditions(object, old);
}

const ApiStrategy strategy_certificate_signing_request = {
  .prepare_create = strategy_reset_status,
  .prepare_update = request_prepare_update,
  .validate_create = request_validate_create,
  .validate_update = request_validate_update,
};
