#include "clusterd/api/selector/selector.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/selector/selector_syntax.h"

struct LabelSelector {
  GPtrArray *terms; /* LabelTerm*, sorted by key */
  bool nothing;
};

static LabelSelector *label_selector_new(void)
{
  LabelSelector *selector = g_new0(LabelSelector, 1);
  selector->terms = g_ptr_array_new_with_free_func(label_term_free);
  return selector;
}

static gint compare_keys(gconstpointer a, gconstpointer b)
{
  const LabelTerm *const *first = a, *const *second = b;
  return strcmp((*first)->key, (*second)->key);
}

LabelSelector *label_selector_parse(const char *text, GError **error)
{
  g_autoptr(LabelSelector) selector = label_selector_new();
  if (!label_syntax_parse(text ? text : "", selector->terms, error))
    return NULL;
  g_ptr_array_sort(selector->terms, compare_keys);
  return g_steal_pointer(&selector);
}

/* Adds KEY OPERATOR VALUES (an array of strings, may be NULL). */
static bool add_term(LabelSelector *selector, const char *key, LabelOperator op, const json_t *values, GError **error)
{
  if (selector->terms->len >= SELECTOR_TERMS_MAX)
    return reason_set(error, REASON_BAD_REQUEST, "a selector may have at most %d requirements", SELECTOR_TERMS_MAX);
  LabelTerm *term = label_term_new(key, op);
  g_ptr_array_add(selector->terms, term);
  size_t i;
  json_t *value;
  json_array_foreach (values, i, value)
    label_term_add_value(term, json_is_string(value) ? json_string_value(value) : "");
  return label_term_check(term, error);
}

static bool operator_of(const char *name, LabelOperator *op, GError **error)
{
  static const struct {
    const char *name;
    LabelOperator op;
  } known[] = {
    { "In", LABEL_IN },
    { "NotIn", LABEL_NOT_IN },
    { "Exists", LABEL_EXISTS },
    { "DoesNotExist", LABEL_NOT_EXISTS },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
    if (strcmp(name, known[i].name) == 0) {
      *op = known[i].op;
      return true;
    }
  return reason_set(error, REASON_BAD_REQUEST, "\"%s\" is not a valid label selector operator", name);
}

static bool add_match_labels(LabelSelector *selector, const json_t *labels, GError **error)
{
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)labels, key, value) {
    g_autoptr(json_t) values = json_pack("[O]", value);
    if (!add_term(selector, key, LABEL_EQUALS, values, error))
      return false;
  }
  return true;
}

LabelSelector *label_selector_from_json(const json_t *value, GError **error)
{
  g_autoptr(LabelSelector) selector = label_selector_new();
  if (!value || json_is_null(value)) {
    selector->nothing = true;
    return g_steal_pointer(&selector);
  }
  if (!add_match_labels(selector, json_object_get(value, "matchLabels"), error))
    return NULL;
  size_t i;
  json_t *expression;
  json_array_foreach (json_object_get(value, "matchExpressions"), i, expression) {
    LabelOperator op;
    if (!operator_of(json_str(expression, "operator", ""), &op, error) ||
        !add_term(selector, json_str(expression, "key", ""), op, json_object_get(expression, "values"), error))
      return NULL;
  }
  g_ptr_array_sort(selector->terms, compare_keys);
  return g_steal_pointer(&selector);
}

LabelSelector *label_selector_from_map(const json_t *map)
{
  LabelSelector *selector = label_selector_new();
  /* what such a map may hold was validated with the object that carries it: here nothing can be wrong that matters */
  if (json_object_size(map) == 0 || !add_match_labels(selector, map, NULL))
    selector->nothing = true;
  g_ptr_array_sort(selector->terms, compare_keys);
  return selector;
}

bool label_selector_matches(const LabelSelector *selector, const json_t *labels)
{
  if (selector->nothing)
    return false;
  for (guint i = 0; i < selector->terms->len; i++) {
    const LabelTerm *term = selector->terms->pdata[i];
    if (!label_term_matches(term, json_str(labels, term->key, NULL)))
      return false;
  }
  return true;
}

bool label_selector_is_everything(const LabelSelector *selector)
{
  return !selector->nothing && selector->terms->len == 0;
}

char *label_selector_text(const LabelSelector *selector)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < selector->terms->len; i++) {
    if (i > 0)
      g_string_append_c(text, ',');
    label_term_append_text(selector->terms->pdata[i], text);
  }
  return g_string_free(text, FALSE);
}

void label_selector_free(LabelSelector *selector)
{
  if (!selector)
    return;
  g_ptr_array_unref(selector->terms);
  g_free(selector);
}
