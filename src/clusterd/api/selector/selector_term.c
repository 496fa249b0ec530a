/* One requirement of a label selector: its rules, what it matches, its text. */
#include <string.h>

#include "base/reason.h"
#include "clusterd/api/selector/selector_syntax.h"

#define NAME_PATTERN "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
#define SUBDOMAIN_PATTERN "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"

enum { NAME_MAX_LENGTH = 63, PREFIX_MAX_LENGTH = 253 };

LabelTerm *label_term_new(const char *key, LabelOperator op)
{
  LabelTerm *term = g_new0(LabelTerm, 1);
  term->key = g_strdup(key);
  term->op = op;
  term->values = g_ptr_array_new_with_free_func(g_free);
  return term;
}

void label_term_free(gpointer data)
{
  LabelTerm *term = data;
  g_free(term->key);
  g_ptr_array_unref(term->values);
  g_free(term);
}

void label_term_add_value(LabelTerm *term, const char *value)
{
  guint at = 0;
  for (; at < term->values->len; at++) {
    int order = strcmp(value, term->values->pdata[at]);
    if (order == 0)
      return;
    if (order < 0)
      break;
  }
  g_ptr_array_insert(term->values, (gint)at, g_strdup(value));
}

/* Letters and digits at both ends, between them also '-', '_' and '.'. */
static bool is_name(const char *text)
{
  gsize length = strlen(text);
  if (length == 0 || !g_ascii_isalnum(text[0]) || !g_ascii_isalnum(text[length - 1]))
    return false;
  for (const char *at = text; *at; at++)
    if (!g_ascii_isalnum(*at) && !strchr("-_.", *at))
      return false;
  return true;
}

static bool is_subdomain(const char *text)
{
  char before = '.';
  for (const char *at = text; *at; before = *at++) {
    bool middle = *at == '-' || *at == '.';
    if (!middle && !g_ascii_islower(*at) && !g_ascii_isdigit(*at))
      return false;
    if ((*at == '.' && (before == '.' || before == '-')) || (*at == '-' && before == '.'))
      return false;
  }
  return before != '.' && before != '-';
}

static char *prefix_problem(const char *prefix)
{
  if (!*prefix)
    return g_strdup("prefix part must be non-empty");
  if (strlen(prefix) > PREFIX_MAX_LENGTH)
    return g_strdup_printf("prefix part must be no more than %d bytes", PREFIX_MAX_LENGTH);
  if (is_subdomain(prefix))
    return NULL;
  return g_strdup("prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
                  "or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
                  "validation is '" SUBDOMAIN_PATTERN "')");
}

char *label_key_problem(const char *key)
{
  static const char shape[] =
      "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
      "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
      "validation is '" NAME_PATTERN "')";
  const char *slash = strchr(key, '/');
  const char *name = slash ? slash + 1 : key;
  if (slash && strchr(name, '/'))
    return g_strdup_printf("a qualified name %s with an optional DNS subdomain prefix and '/' (e.g. "
                           "'example.com/MyName')",
                           shape);
  g_autofree char *prefix = slash ? g_strndup(key, (gsize)(slash - key)) : NULL;
  char *problem = prefix ? prefix_problem(prefix) : NULL;
  if (problem)
    return problem;
  if (!*name)
    return g_strdup("name part must be non-empty");
  if (strlen(name) > NAME_MAX_LENGTH)
    return g_strdup_printf("name part must be no more than %d bytes", NAME_MAX_LENGTH);
  return is_name(name) ? NULL : g_strdup_printf("name part %s", shape);
}

char *label_value_problem(const char *value)
{
  if (strlen(value) > NAME_MAX_LENGTH)
    return g_strdup_printf("must be no more than %d bytes", NAME_MAX_LENGTH);
  if (!*value || is_name(value))
    return NULL;
  return g_strdup("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
                  "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
                  "regex used for validation is '(" NAME_PATTERN ")?')");
}

static bool is_integer(const char *text)
{
  return g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, NULL, NULL);
}

/* Upstream names the place by the path of the requirement, as a field error. */
static bool check_number_of_values(const LabelTerm *term, GError **error)
{
  bool none = term->values->len == 0, one = term->values->len == 1;
  switch (term->op) {
  case LABEL_IN:
  case LABEL_NOT_IN:
    return !none || reason_set(error, REASON_BAD_REQUEST,
                               "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  case LABEL_EXISTS:
  case LABEL_NOT_EXISTS:
    return none || reason_set(error, REASON_BAD_REQUEST,
                              "values: Invalid value: [\"%s\"]: values set must be empty for exists and does not exist",
                              (char *)term->values->pdata[0]);
  case LABEL_GREATER:
  case LABEL_LESS:
    return (one && is_integer(term->values->pdata[0])) ||
           reason_set(error, REASON_BAD_REQUEST,
                      "values[0]: Invalid value: \"%s\": for 'Gt', 'Lt' operators, the value must be an integer",
                      one ? (char *)term->values->pdata[0] : "");
  default:
    return one || reason_set(error, REASON_BAD_REQUEST,
                             "values: Invalid value: []: exact-match compatibility requires one single value");
  }
}

bool label_term_check(const LabelTerm *term, GError **error)
{
  g_autofree char *problem = label_key_problem(term->key);
  if (problem)
    return reason_set(error, REASON_BAD_REQUEST, "key: Invalid value: \"%s\": %s", term->key, problem);
  if (!check_number_of_values(term, error))
    return false;
  for (guint i = 0; i < term->values->len; i++) {
    g_autofree char *wrong = label_value_problem(term->values->pdata[i]);
    if (wrong)
      return reason_set(error, REASON_BAD_REQUEST, "values[%u][%s]: Invalid value: \"%s\": %s", i, term->key,
                        (char *)term->values->pdata[i], wrong);
  }
  return true;
}

static bool has_value(const LabelTerm *term, const char *value)
{
  for (guint i = 0; i < term->values->len; i++)
    if (strcmp(term->values->pdata[i], value) == 0)
      return true;
  return false;
}

bool label_term_matches(const LabelTerm *term, const char *value)
{
  switch (term->op) {
  case LABEL_EXISTS:
    return value != NULL;
  case LABEL_NOT_EXISTS:
    return value == NULL;
  case LABEL_NOT_EQUALS:
  case LABEL_NOT_IN:
    return !value || !has_value(term, value);
  case LABEL_GREATER:
  case LABEL_LESS: {
    gint64 have, limit;
    if (!value || !g_ascii_string_to_signed(value, 10, G_MININT64, G_MAXINT64, &have, NULL) ||
        !g_ascii_string_to_signed(term->values->pdata[0], 10, G_MININT64, G_MAXINT64, &limit, NULL))
      return false;
    return term->op == LABEL_GREATER ? have > limit : have < limit;
  }
  default:
    return value && has_value(term, value);
  }
}

void label_term_append_text(const LabelTerm *term, GString *text)
{
  static const char *const between[] = {
    [LABEL_EQUALS] = "=",    [LABEL_DOUBLE_EQUALS] = "==", [LABEL_NOT_EQUALS] = "!=",
    [LABEL_IN] = " in ",     [LABEL_NOT_IN] = " notin ",   [LABEL_EXISTS] = "",
    [LABEL_NOT_EXISTS] = "", [LABEL_GREATER] = ">",        [LABEL_LESS] = "<",
  };
  bool set = term->op == LABEL_IN || term->op == LABEL_NOT_IN;
  g_string_append_printf(text, "%s%s%s%s", term->op == LABEL_NOT_EXISTS ? "!" : "", term->key, between[term->op],
                         set ? "(" : "");
  for (guint i = 0; i < term->values->len; i++)
    g_string_append_printf(text, "%s%s", i > 0 ? "," : "", (char *)term->values->pdata[i]);
  if (set)
    g_string_append_c(text, ')');
}
