#include "validation_case.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/codec.h"

const ApiScheme *case_scheme(void)
{
  static ApiScheme *scheme;
  if (!scheme)
    scheme = api_scheme_new();
  return scheme;
}

json_t *case_parse(const char *text)
{
  g_autoptr(GString) json = g_string_new(NULL);
  for (const char *c = text; *c; c++)
    g_string_append_c(json, *c == '\'' ? '"' : *c); /* single quotes keep the tests readable */
  json_error_t where;
  json_t *value = json_loads(json->str, JSON_DECODE_ANY, &where);
  if (!value)
    g_error("%s: %s", where.text, text);
  return value;
}

/* As case_prepare, of an object in place. */
static const ApiKind *prepare(json_t *value)
{
  g_autoptr(GError) error = NULL;
  const ApiKind *kind = api_scheme_kind_of(case_scheme(), value);
  g_assert_nonnull(kind);
  codec_prune(kind->message, kind->version, kind->kind, value, FIELD_VALIDATION_STRICT, NULL, &error);
  g_assert_no_error(error);
  api_set_defaults(kind->message, value);
  if (kind->strategy && kind->strategy->prepare_create)
    kind->strategy->prepare_create(value);
  return kind;
}

json_t *case_prepare(const char *text, const ApiKind **kind)
{
  json_t *value = case_parse(text);
  const ApiKind *found = prepare(value);
  if (kind)
    *kind = found;
  return value;
}

json_t *case_create(const char *text)
{
  const ApiKind *kind;
  g_autoptr(GError) error = NULL;
  json_t *value = case_prepare(text, &kind);
  ApiWriteContext context = { .is_update = false };
  api_validate(kind, value, NULL, &context, &error);
  g_assert_no_error(error);
  return value;
}

void case_create_fails(const char *text, const char *expected)
{
  const ApiKind *kind;
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = case_prepare(text, &kind);
  ApiWriteContext context = { .is_update = false };
  g_assert_false(api_validate(kind, value, NULL, &context, &error));
  g_assert_true(reason_is(error, REASON_INVALID));
  g_assert_cmpstr(error->message, ==, expected);
}

/* VALUE as an update of OLD. */
static bool check_update(json_t *value, const json_t *old, const char *subresource, GError **error)
{
  const ApiKind *kind = api_scheme_kind_of(case_scheme(), old);
  ApiWriteContext context = { .is_update = true, .subresource = subresource };
  api_set_defaults(kind->message, value);
  if (kind->strategy && kind->strategy->prepare_update)
    kind->strategy->prepare_update(value, old, &context);
  return api_validate(kind, value, old, &context, error);
}

bool case_update(const json_t *old, const char *change, const char *subresource, json_t **result, GError **error)
{
  g_autoptr(json_t) value = json_deep_copy(old), patch = case_parse(change);
  json_object_update_recursive(value, patch);
  bool ok = check_update(value, old, subresource, error);
  *result = g_steal_pointer(&value);
  return ok;
}

void case_update_fails(const json_t *old, const char *change, const char *expected)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = NULL;
  g_assert_false(case_update(old, change, NULL, &value, &error));
  g_assert_cmpstr(error->message, ==, expected);
}

void case_equal(const json_t *value, const char *expected)
{
  g_autoptr(json_t) wanted = case_parse(expected);
  g_autofree char *got = json_text(value), *want = json_text(wanted);
  if (!json_equal(value, wanted))
    g_error("got %s, want %s", got, want);
}

/* The member of PARENT that STEP names; made when it is not there, an array when NEXT is a number. */
static json_t *descend(json_t *parent, const char *step, const char *next)
{
  json_t *child =
      json_is_array(parent) ? json_array_get(parent, strtoul(step, NULL, 10)) : json_object_get(parent, step);
  if (child)
    return child;
  child = g_ascii_isdigit(*next) ? json_array() : json_object();
  if (json_is_array(parent))
    json_array_append_new(parent, child);
  else
    json_object_set_new(parent, step, child);
  return child;
}

static void set_member(json_t *parent, const char *step, json_t *value)
{
  size_t index = strtoul(step, NULL, 10);
  if (json_is_array(parent) && json_is_null(value))
    json_array_remove(parent, index);
  else if (json_is_array(parent) && index < json_array_size(parent))
    json_array_set(parent, index, value);
  else if (json_is_array(parent))
    json_array_append(parent, value);
  else if (json_is_null(value))
    json_object_del(parent, step);
  else
    json_object_set(parent, step, value);
}

static void apply_changes(json_t *value, const char *changes)
{
  g_auto(GStrv) list = g_strsplit(changes, "; ", -1);
  for (char **change = list; *change && **change; change++) {
    char *equals = strchr(*change, '=');
    g_assert_true(**change == '/' && equals);
    g_autofree char *pointer = g_strndup(*change + 1, (gsize)(equals - *change) - 1);
    g_auto(GStrv) steps = g_strsplit(pointer, "/", -1);
    g_autoptr(json_t) member = case_parse(equals + 1);
    json_t *parent = value;
    guint i = 0;
    for (; steps[i + 1]; i++)
      parent = descend(parent, steps[i], steps[i + 1]);
    g_auto(GStrv) parts = g_strsplit(steps[i], "~1", -1);
    g_autofree char *step = g_strjoinv("/", parts);
    set_member(parent, step, member);
  }
}

/* Says what is wrong and lets the other cases of the table run. */
static void expect(const ValidationCase *one, const json_t *value, const ApiKind *kind, const GError *error)
{
  const char *name = json_str(json_object_get(value, "metadata"), "name", "");
  g_autofree char *qualified = *kind->group ? g_strconcat(kind->kind, ".", kind->group, NULL) : g_strdup(kind->kind);
  g_autofree char *prefix = g_strdup_printf("%s \"%s\" is invalid: ", qualified, name);
  const char *got = error ? error->message : "";
  got += error && g_str_has_prefix(got, prefix) ? strlen(prefix) : 0;
  if (strcmp(got, one->expected) != 0) {
    g_test_message("%s\n got  %s\n want %s", one->changes, got, one->expected);
    g_test_fail();
  }
}

void case_creates(const char *base, const ValidationCase *cases, size_t n)
{
  g_autoptr(json_t) good = case_create(base);
  for (size_t i = 0; i < n; i++) {
    g_autoptr(json_t) value = case_parse(base);
    g_autoptr(GError) error = NULL;
    ApiWriteContext context = { .is_update = false };
    apply_changes(value, cases[i].changes);
    const ApiKind *kind = prepare(value);
    api_validate(kind, value, NULL, &context, &error);
    expect(&cases[i], value, kind, error);
  }
}

void case_updates(const char *base, const ValidationCase *cases, size_t n)
{
  g_autoptr(json_t) old = case_create(base);
  const ApiKind *kind = api_scheme_kind_of(case_scheme(), old);
  for (size_t i = 0; i < n; i++) {
    g_autoptr(json_t) value = json_deep_copy(old);
    g_autoptr(GError) error = NULL;
    apply_changes(value, cases[i].changes);
    check_update(value, old, NULL, &error);
    expect(&cases[i], value, kind, error);
  }
}
