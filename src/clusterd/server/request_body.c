/* What a request's body must be: the right format, the kind the URL is about, and its decoding. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/api_request.h"

/* How much of a body that is nothing known is shown in the error. */
#define SUMMARY_MAX 30

/* What the URL takes as body. */
typedef struct Expected {
  const ApiMessage *message;
  const char *group, *version, *kind;
} Expected;

static char *group_version(const char *group, const char *version)
{
  return *group ? g_strconcat(group, "/", version, NULL) : g_strdup(version);
}

/* The beginning of DATA: JSON as it is, all else in hexadecimal digits. */
static char *summary(const char *data, gsize length)
{
  GString *text = g_string_new(NULL);
  gsize shown = MIN(length, SUMMARY_MAX);
  if (length == 0)
    g_string_append(text, "<empty>");
  else if (data[0] == '{')
    g_string_append_len(text, data, (gssize)shown);
  else
    for (gsize i = 0; i < shown; i++)
      g_string_append_printf(text, "%02x", (guchar)data[i]);
  if (length > shown)
    g_string_append(text, " ...");
  return g_string_free(text, FALSE);
}

/* Upstream's name of the package its internal types of GROUP are in: "rbac" of rbac.authorization.k8s.io. */
static char *internal_package(const char *group)
{
  return *group ? g_strndup(group, strcspn(group, ".")) : g_strdup("core");
}

/* The body names a kind other than the one expected: which error that is depends on whether it exists. */
static bool refuse_kind(const ApiRequest *request, const Expected *expected, const char *given_version,
                        const char *given_kind, GError **error)
{
  const char *slash = strrchr(given_version, '/');
  const char *version = slash ? slash + 1 : given_version;
  g_autofree char *group = slash ? g_strndup(given_version, (gsize)(slash - given_version)) : g_strdup("");
  g_autofree char *package = internal_package(expected->group);
  const ApiScheme *scheme = registry_scheme(request->registry);
  g_autofree char *listed = g_str_has_suffix(given_kind, "List") ? g_strndup(given_kind, strlen(given_kind) - 4) : NULL;
  if (!api_scheme_kind(scheme, group, version, given_kind) && !api_builtin_message_of(group, version, given_kind) &&
      !(listed && api_scheme_kind(scheme, group, version, listed)))
    return reason_set(error, REASON_BAD_REQUEST,
                      "%s in version \"%s\" cannot be handled as a %s: no kind \"%s\" is registered for version "
                      "\"%s\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
                      given_kind, version, expected->kind, given_kind, given_version);
  if (!g_str_equal(given_kind, expected->kind))
    return reason_set(error, REASON_BAD_REQUEST,
                      "%s in version \"%s\" cannot be handled as a %s: converting (%s.%s) to (%s.%s): unknown "
                      "conversion",
                      given_kind, version, expected->kind, version, given_kind, package, expected->kind);
  g_autofree char *wanted = group_version(expected->group, expected->version);
  return reason_set(error, REASON_BAD_REQUEST,
                    "the API version in the data (%s) does not match the expected API version (%s)", given_version,
                    wanted);
}

/* The body must be of the kind the URL is about; what it does not say itself is taken from there. */
static bool check_kind(const ApiRequest *request, const Expected *expected, CodecType type, GError **error)
{
  gsize length;
  const char *data = g_bytes_get_data(http_body(request->http), &length);
  g_autofree char *given_version = NULL, *given_kind = NULL,
                  *wanted = group_version(expected->group, expected->version);
  g_autoptr(GError) problem = NULL;
  if (!codec_peek(type, data, length, &given_version, &given_kind, &problem)) {
    if (reason_is(problem, REASON_REQUEST_TOO_LARGE)) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return false;
    }
    g_autofree char *shown = summary(data ? data : "", length);
    return reason_set(error, REASON_BAD_REQUEST, "the object provided is unrecognized (must be of type %s): %s (%s)",
                      expected->kind, problem->message, shown);
  }
  const char *version = given_version && *given_version ? given_version : wanted;
  const char *kind = given_kind && *given_kind ? given_kind : expected->kind;
  return (g_str_equal(version, wanted) && g_str_equal(kind, expected->kind)) ||
         refuse_kind(request, expected, version, kind, error);
}

/* VALUE, which the audit log may want. */
static json_t *traced(ApiRequest *request, json_t *value)
{
  if (value)
    request_trace_request(request->trace, value);
  return value;
}

json_t *request_body(ApiRequest *request, const ApiMessage *message, const char *version, const char *kind,
                     FieldValidation validation, GError **error)
{
  CodecType type;
  gsize length;
  const void *data = g_bytes_get_data(http_body(request->http), &length);
  if (length == 0)
    return json_object();
  if (!codec_of_content_type(http_header(request->http, "Content-Type"), &type, error))
    return NULL;
  return traced(request,
                codec_decode(type, message, version, kind, data, length, validation, request->warnings, error));
}

json_t *request_resource_body(ApiRequest *request, FieldValidation validation, GError **error)
{
  const ApiKind *kind = request->kind;
  Expected expected = { kind->message, kind->group, kind->version, kind->kind };
  const ApiSubresource *sub =
      request->info->subresource ? api_kind_subresource(kind, request->info->subresource) : NULL;
  if (sub && sub->group)
    expected =
        (Expected){ api_builtin_message_of(sub->group, sub->version, sub->kind), sub->group, sub->version, sub->kind };
  CodecType type;
  if (!codec_of_content_type(http_header(request->http, "Content-Type"), &type, error))
    return NULL;
  /* an eviction may be in any version policy ever had: they say the same */
  bool any_version = sub && g_str_equal(sub->name, "eviction");
  if (!any_version && !check_kind(request, &expected, type, error))
    return NULL;
  gsize length;
  const void *data = g_bytes_get_data(http_body(request->http), &length);
  return traced(request, codec_decode(type, expected.message, expected.version, expected.kind, data, length, validation,
                                      request->warnings, error));
}
