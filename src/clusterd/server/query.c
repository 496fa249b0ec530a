#include "clusterd/server/query.h"

#include <string.h>

#include "base/reason.h"

typedef struct Parameter {
  char *name, *value;
} Parameter;

struct Query {
  GArray *parameters;
};

static void parameter_clear(void *data)
{
  Parameter *parameter = data;
  g_free(parameter->name);
  g_free(parameter->value);
}

static char *decode(const char *text)
{
  g_autofree char *spaced = g_strdelimit(g_strdup(text), "+", ' ');
  return g_uri_unescape_string(spaced, NULL);
}

Query *query_parse(const char *text)
{
  Query *query = g_new0(Query, 1);
  query->parameters = g_array_new(FALSE, FALSE, sizeof(Parameter));
  g_array_set_clear_func(query->parameters, parameter_clear);
  g_auto(GStrv) parts = g_strsplit(text, "&", QUERY_MAX + 1);
  for (int i = 0; parts[i] && i < QUERY_MAX; i++) {
    char *equals = strchr(parts[i], '=');
    if (equals)
      *equals = '\0';
    Parameter parameter = { decode(parts[i]), decode(equals ? equals + 1 : "") };
    if (parameter.name && *parameter.name && parameter.value)
      g_array_append_val(query->parameters, parameter);
    else
      parameter_clear(&parameter);
  }
  return query;
}

void query_free(Query *query)
{
  if (!query)
    return;
  g_array_unref(query->parameters);
  g_free(query);
}

const char *query_get(const Query *query, const char *name)
{
  for (guint i = 0; i < query->parameters->len; i++) {
    const Parameter *parameter = &g_array_index(query->parameters, Parameter, i);
    if (g_str_equal(parameter->name, name))
      return parameter->value;
  }
  return NULL;
}

const char **query_all(const Query *query, const char *name)
{
  g_autoptr(GPtrArray) values = g_ptr_array_new();
  for (guint i = 0; i < query->parameters->len; i++) {
    const Parameter *parameter = &g_array_index(query->parameters, Parameter, i);
    if (g_str_equal(parameter->name, name))
      g_ptr_array_add(values, parameter->value);
  }
  g_ptr_array_add(values, NULL);
  return (const char **)g_ptr_array_steal(values, NULL);
}

bool query_flag(const Query *query, const char *name)
{
  const char *value = query_get(query, name);
  return value && !g_str_equal(value, "0") && g_ascii_strcasecmp(value, "false") != 0;
}

bool query_integer(const Query *query, const char *name, int64_t *value, GError **error)
{
  const char *text = query_get(query, name);
  if (!text || !*text)
    return true;
  gint64 number;
  if (!g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &number, NULL))
    return reason_set(error, REASON_BAD_REQUEST, "strconv.ParseInt: parsing \"%s\": invalid syntax", text);
  *value = number;
  return true;
}
