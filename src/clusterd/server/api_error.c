#include "clusterd/server/api_error.h"

#include "base/json.h"

json_t *api_error_details(const ApiKind *kind, const char *name)
{
  json_t *details = json_object();
  if (name && *name)
    json_object_set_new(details, "name", json_string(name));
  if (*kind->group)
    json_object_set_new(details, "group", json_string(kind->group));
  json_object_set_new(details, "kind", json_string(kind->plural));
  return details;
}

bool api_error_not_found(GError **error, const ApiKind *kind, const char *name)
{
  g_autofree char *resource = api_qualified_resource(kind);
  return reason_set_details(error, REASON_NOT_FOUND, api_error_details(kind, name), "%s \"%s\" not found", resource,
                            name);
}

bool api_error_exists(GError **error, const ApiKind *kind, const char *name)
{
  g_autofree char *resource = api_qualified_resource(kind);
  return reason_set_details(error, REASON_ALREADY_EXISTS, api_error_details(kind, name), "%s \"%s\" already exists",
                            resource, name);
}

bool api_error_no_name_left(GError **error, const ApiKind *kind, const char *name)
{
  g_autofree char *resource = api_qualified_resource(kind);
  json_t *details = api_error_details(kind, name);
  json_object_set_new(details, "retryAfterSeconds", json_integer(1));
  return reason_set_details(
      error, REASON_ALREADY_EXISTS, details,
      "%s \"%s\" already exists, the server was not able to generate a unique name for the object", resource, name);
}

bool api_error_conflict(GError **error, const ApiKind *kind, const char *name, const char *why)
{
  g_autofree char *resource = api_qualified_resource(kind);
  return reason_set_details(error, REASON_CONFLICT, api_error_details(kind, name),
                            "Operation cannot be fulfilled on %s \"%s\": %s", resource, name,
                            why ? why
                                : "the object has been modified; please apply your changes to the latest version and "
                                  "try again");
}

bool api_error_forbidden(GError **error, const ApiKind *kind, const char *name, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *why = g_strdup_vprintf(format, args);
  va_end(args);
  g_autofree char *resource = api_qualified_resource(kind);
  return reason_set_details(error, REASON_FORBIDDEN, api_error_details(kind, name), "%s \"%s\" is forbidden: %s",
                            resource, name ? name : "", why);
}

static const char *cause_text(const char *cause)
{
  static const char *const texts[][2] = {
    { "FieldValueRequired", "Required value" },
    { "FieldValueInvalid", "Invalid value" },
    { "FieldValueNotSupported", "Unsupported value" },
    { "FieldValueForbidden", "Forbidden" },
    { "FieldValueTooLong", "Too long" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    if (g_str_equal(texts[i][0], cause))
      return texts[i][1];
  return "Invalid value";
}

bool api_error_invalid(GError **error, const char *kind, const char *group, const char *name, const char *cause,
                       const char *field, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *detail = g_strdup_vprintf(format, args);
  va_end(args);
  g_autofree char *message = g_strconcat(cause_text(cause), *detail ? ": " : "", detail, NULL);
  g_autofree char *qualified = *group ? g_strdup_printf("%s.%s", kind, group) : g_strdup(kind);
  json_t *details = json_object();
  if (*name)
    json_object_set_new(details, "name", json_string(name));
  if (*group)
    json_object_set_new(details, "group", json_string(group));
  json_object_set_new(details, "kind", json_string(kind));
  json_object_set_new(details, "causes",
                      json_pack("[{s:s, s:s, s:s}]", "reason", cause, "message", message, "field", field));
  return reason_set_details(error, REASON_INVALID, details, "%s \"%s\" is invalid: %s: %s", qualified, name, field,
                            message);
}

bool api_error_patch(GError **error, const char *patched, const char *why)
{
  g_autofree char *message = g_strdup_printf("Invalid value: \"%s\": %s", patched, why);
  json_t *details =
      json_pack("{s:[{s:s, s:s, s:s}]}", "causes", "reason", "FieldValueInvalid", "message", message, "field", "patch");
  return reason_set_details(error, REASON_INVALID, details, " \"\" is invalid: patch: %s", message);
}

bool api_error_method(GError **error)
{
  return reason_set_details(error, REASON_METHOD_NOT_ALLOWED, json_object(),
                            "the server does not allow this method on the requested resource");
}

/* The reason decides only what this server's own code makes of the error. */
static Reason reason_of_code(json_int_t code)
{
  static const Reason reasons[] = { REASON_BAD_REQUEST, REASON_UNAUTHORIZED, REASON_FORBIDDEN,
                                    REASON_NOT_FOUND,   REASON_INVALID,      REASON_TOO_MANY_REQUESTS };
  for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++)
    if (reason_info((int)reasons[i])->http_status == code)
      return reasons[i];
  return code < 500 ? REASON_BAD_REQUEST : REASON_INTERNAL;
}

bool api_error_status(GError **error, json_t *status)
{
  g_autofree char *message = g_strdup(json_str(status, "message", ""));
  Reason reason = reason_of_code(json_int(status, "code", 500));
  return reason_set_details(error, reason, json_pack("{s:o}", API_ERROR_STATUS, status), "%s", message);
}
