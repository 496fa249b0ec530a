/* Field selectors: parsed, matched and shown. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/json_scan.h"
#include "clusterd/api/selector/selector.h"

typedef struct FieldTerm {
  char **path; /* the member's steps */
  char *value;
  const char *fallback; /* of the kind's table; NULL: "" */
  bool negated;
  bool is_name; /* metadata.name */
} FieldTerm;

struct FieldSelector {
  GPtrArray *terms; /* FieldTerm* */
};

static void field_term_free(gpointer data)
{
  FieldTerm *term = data;
  g_strfreev(term->path);
  g_free(term->value);
  g_free(term);
}

/* The length of the term at TEXT: up to a comma that no backslash escapes, or to the end. */
static gsize term_length(const char *text)
{
  gsize length = 0;
  while (text[length] && text[length] != ',')
    length += text[length] == '\\' && text[length + 1] ? 2 : 1;
  return length;
}

/* Undoes "\\", "\," and "\=". NULL with an error on any other escape, or on what should have been escaped. */
static char *unescape(const char *text, GError **error)
{
  g_autoptr(GString) value = g_string_new(NULL);
  for (const char *at = text; *at; at++) {
    if (*at == '\\') {
      at++;
      if (!*at || !strchr("\\,=", *at)) {
        reason_set(error, REASON_BAD_REQUEST, "invalid field selector: invalid escape sequence: \\%s", *at ? at : "");
        return NULL;
      }
    } else if (*at == ',' || *at == '=') {
      reason_set(error, REASON_BAD_REQUEST, "invalid field selector: unescaped character in value: %c", *at);
      return NULL;
    }
    g_string_append_c(value, *at);
  }
  return g_string_free(g_steal_pointer(&value), FALSE);
}

static const ApiSelectableField *find_selectable(const ApiKind *kind, const char *name)
{
  for (unsigned i = 0; i < kind->n_selectable; i++)
    if (strcmp(kind->selectable[i].name, name) == 0)
      return &kind->selectable[i];
  return NULL;
}

/* Resolves NAME on KIND into TERM. Kinds without fields of their own are named with the two everybody has, as the
 * generic conversion upstream does; those with some only say no. */
static bool resolve(FieldTerm *term, const ApiKind *kind, const char *name, GError **error)
{
  const ApiSelectableField *field = find_selectable(kind, name);
  bool everywhere = strcmp(name, "metadata.name") == 0 || strcmp(name, "metadata.namespace") == 0;
  if (!field && !everywhere)
    return kind->n_selectable > 0
               ? reason_set(error, REASON_BAD_REQUEST, "field label not supported: %s", name)
               : reason_set(error, REASON_BAD_REQUEST,
                            "\"%s\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                            name);
  term->path = g_strsplit(field && field->path ? field->path : name, ".", -1);
  term->fallback = field ? field->fallback : NULL;
  term->is_name = strcmp(name, "metadata.name") == 0;
  return true;
}

/* Splits "name=value", "name==value" or "name!=value" at the first operator. */
static bool split_term(const char *text, char **name, const char **value, bool *negated)
{
  for (const char *at = text; *at; at++) {
    if (*at == '\\' && at[1]) {
      at++;
      continue;
    }
    *negated = at[0] == '!' && at[1] == '=';
    if (*negated || *at == '=') {
      *name = g_strndup(text, (gsize)(at - text));
      *value = at + (*negated || at[1] == '=' ? 2 : 1);
      return true;
    }
  }
  return false;
}

static bool parse_term(FieldSelector *selector, const ApiKind *kind, const char *text, const char *whole,
                       GError **error)
{
  g_autofree char *name = NULL;
  const char *value;
  bool negated;
  if (!split_term(text, &name, &value, &negated))
    return reason_set(error, REASON_BAD_REQUEST, "invalid selector: '%s'; can't understand '%s'", whole, text);
  if (selector->terms->len >= SELECTOR_TERMS_MAX)
    return reason_set(error, REASON_BAD_REQUEST, "a selector may have at most %d requirements", SELECTOR_TERMS_MAX);
  FieldTerm *term = g_new0(FieldTerm, 1);
  g_ptr_array_add(selector->terms, term);
  term->negated = negated;
  term->value = unescape(value, error);
  return term->value && resolve(term, kind, name, error);
}

FieldSelector *field_selector_parse(const ApiKind *kind, const char *text, GError **error)
{
  g_autoptr(FieldSelector) selector = g_new0(FieldSelector, 1);
  selector->terms = g_ptr_array_new_with_free_func(field_term_free);
  for (const char *at = text ? text : ""; *at;) {
    gsize length = term_length(at);
    g_autofree char *term = g_strndup(at, length);
    if (length > 0 && !parse_term(selector, kind, term, text, error))
      return NULL;
    at += length + (at[length] == ',' ? 1 : 0);
  }
  return g_steal_pointer(&selector);
}

#define NUMBER_MAX 24 /* bytes of a member that is a number */

/* A member as text; numbers are written into BUFFER. */
static const char *value_text(const json_t *value, char buffer[static NUMBER_MAX])
{
  if (json_is_string(value))
    return json_string_value(value);
  if (json_is_boolean(value))
    return json_is_true(value) ? "true" : "false";
  if (json_is_integer(value)) {
    g_snprintf(buffer, NUMBER_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return buffer;
  }
  return "";
}

static bool term_matches(const FieldTerm *term, const json_t *member)
{
  char buffer[NUMBER_MAX];
  const char *value = value_text(member, buffer);
  if (!*value && term->fallback)
    value = term->fallback;
  return (strcmp(value, term->value) == 0) != term->negated;
}

bool field_selector_matches(const FieldSelector *selector, const json_t *object)
{
  for (guint i = 0; i < selector->terms->len; i++) {
    const FieldTerm *term = selector->terms->pdata[i];
    const json_t *member = object;
    for (char **step = term->path; *step && member; step++)
      member = json_object_get(member, *step);
    if (!term_matches(term, member))
      return false;
  }
  return true;
}

bool field_selector_matches_text(const FieldSelector *selector, const char *text, gsize length)
{
  for (guint i = 0; i < selector->terms->len; i++) {
    const FieldTerm *term = selector->terms->pdata[i];
    const char *member;
    gsize member_length;
    bool found = json_scan_member(text, length, (const char *const *)term->path, &member, &member_length);
    g_autoptr(json_t) value = found ? json_loadb(member, member_length, JSON_DECODE_ANY, NULL) : NULL;
    if (!term_matches(term, value))
      return false;
  }
  return true;
}

bool field_selector_is_everything(const FieldSelector *selector)
{
  return selector->terms->len == 0;
}

const char *field_selector_single_name(const FieldSelector *selector)
{
  for (guint i = 0; i < selector->terms->len; i++) {
    const FieldTerm *term = selector->terms->pdata[i];
    if (term->is_name && !term->negated)
      return term->value;
  }
  return NULL;
}

void field_selector_free(FieldSelector *selector)
{
  if (!selector)
    return;
  g_ptr_array_unref(selector->terms);
  g_free(selector);
}
