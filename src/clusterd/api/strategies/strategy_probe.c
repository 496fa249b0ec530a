/* Probes and the actions of a container's life. */
#include <string.h>

#include "base/json.h"
#include "clusterd/api/strategies/strategies.h"
#include "clusterd/api/validation.h"

static void check_port(const json_t *action, const char *path, FieldErrors *errors)
{
  const json_t *port = json_object_get(action, "port");
  g_autofree char *port_path = field_path_child(path, "port");
  g_autoptr(json_t) shown = json_is_string(port) ? NULL : json_integer(json_integer_value(port));
  if (json_is_string(port))
    api_validate_format("portName", port, port_path, errors);
  else if (json_integer_value(port) < 1 || json_integer_value(port) > 65535)
    field_errors_add(errors, FIELD_INVALID, port_path, shown, "must be between 1 and 65535, inclusive");
}

void validate_port_action(const json_t *value, const char *path, FieldErrors *errors)
{
  size_t index;
  json_t *header;
  check_port(value, path, errors);
  json_array_foreach (json_object_get(value, "httpHeaders"), index, header) {
    const char *name = json_str(header, "name", "");
    size_t legal = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");
    g_autoptr(json_t) shown = json_string(name);
    if (!*name || name[legal])
      field_errors_add_at(errors, FIELD_INVALID, path, "httpHeaders", shown,
                          "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', "
                          "regex used for validation is '[-A-Za-z0-9]+')");
  }
}

/* Exactly one of NAMES must be there. */
static void check_handlers(const json_t *value, const char *const *names, const char *path, FieldErrors *errors)
{
  unsigned found = 0;
  for (size_t i = 0; names[i]; i++) {
    if (json_object_get(value, names[i]) && found++ > 0)
      field_errors_add_at(errors, FIELD_FORBIDDEN, path, names[i], NULL, "may not specify more than 1 handler type");
  }
  if (found == 0)
    field_errors_add(errors, FIELD_REQUIRED, path, NULL, "must specify a handler type");
}

void validate_probe(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const names[] = { "exec", "httpGet", "tcpSocket", "grpc", NULL };
  check_handlers(value, names, path, errors);
}

void validate_lifecycle_handler(const json_t *value, const char *path, FieldErrors *errors)
{
  static const char *const names[] = { "exec", "httpGet", "tcpSocket", "sleep", NULL };
  check_handlers(value, names, path, errors);
}
