/* Schemas of custom resources: pruning, defaults, validation, formats and JSONPath, case by case. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/custom/schema.h"
#include "clusterd/api/json_path.h"

static ApiSchema *compile(const char *text)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) json = json_loads(text, 0, NULL);
  g_assert_nonnull(json);
  ApiSchema *schema = schema_compile(json, &error);
  g_assert_no_error(error);
  return schema;
}

static void assert_json(const json_t *value, const char *expected)
{
  g_autoptr(json_t) wanted = json_loads(expected, JSON_DECODE_ANY, NULL);
  g_assert_nonnull(wanted);
  if (json_equal(value, wanted))
    return;
  g_autofree char *got = json_text(value);
  g_test_message("got %s, expected %s", got, expected);
  g_test_fail();
}

/* --- pruning and defaults --- */

typedef struct PruneCase {
  const char *name, *schema, *value, *pruned, *reports;
} PruneCase;

static const PruneCase prune_cases[] = {
  { "unknown members go", "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}",
    "{\"kind\":\"K\",\"metadata\":{\"x\":1},\"a\":\"b\",\"c\":1}",
    "{\"kind\":\"K\",\"metadata\":{\"x\":1},\"a\":\"b\"}", "unknown field \"c\"" },
  { "deep, in lists",
    "{\"properties\":{\"l\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"a\":{}}}}}}",
    "{\"l\":[{\"a\":1,\"b\":2}]}", "{\"l\":[{\"a\":1}]}", "unknown field \"l[0].b\"" },
  { "lists of lists",
    "{\"properties\":{\"l\":{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
    "\"properties\":{\"a\":{}}}}}}}",
    "{\"l\":[[{\"a\":1,\"b\":2}],[]]}", "{\"l\":[[{\"a\":1}],[]]}", "unknown field \"l[0][0].b\"" },
  { "preserved, but what is known is pruned below",
    "{\"x-kubernetes-preserve-unknown-fields\":true,\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{\"b\":{}"
    "}}}}",
    "{\"z\":{\"q\":1},\"a\":{\"b\":1,\"c\":2}}", "{\"z\":{\"q\":1},\"a\":{\"b\":1}}", "unknown field \"a.c\"" },
  { "maps keep all entries",
    "{\"properties\":{\"m\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\"}}}}",
    "{\"m\":{\"x\":{\"y\":1}}}", "{\"m\":{\"x\":{}}}", "unknown field \"m.x.y\"" },
  { "nulls that are not allowed go",
    "{\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":\"string\",\"nullable\":true}}}",
    "{\"a\":null,\"b\":null}", "{\"b\":null}", "" },
  { "metadata of an embedded resource",
    "{\"properties\":{\"t\":{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true,\"x-kubernetes-preserve-"
    "unknown-fields\":true}}}",
    "{\"t\":{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"a\",\"zap\":1},\"data\":{}}}",
    "{\"t\":{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"a\"},\"data\":{}}}",
    "unknown field \"t.metadata.zap\"" },
  { "a type error is left to validation", "{\"properties\":{\"a\":{\"type\":\"object\"}}}", "{\"a\":\"text\"}",
    "{\"a\":\"text\"}", "" },
};

static void test_prune(void)
{
  for (gsize i = 0; i < G_N_ELEMENTS(prune_cases); i++) {
    const PruneCase *c = &prune_cases[i];
    g_test_message("%s", c->name);
    g_autoptr(ApiSchema) schema = compile(c->schema);
    g_autoptr(json_t) value = json_loads(c->value, 0, NULL);
    g_autoptr(GPtrArray) reports = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) pruned = schema_prune(schema, value, true, reports, &error);
    g_assert_no_error(error);
    assert_json(pruned, c->pruned);
    assert_json(value, c->value);
    g_assert_cmpstr(reports->len ? reports->pdata[0] : "", ==, c->reports);
  }
}

static void test_prune_bad_metadata(void)
{
  g_autoptr(ApiSchema) schema =
      compile("{\"properties\":{\"t\":{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true}}}");
  g_autoptr(json_t) value = json_loads("{\"t\":{\"metadata\":{\"labels\":5}}}", 0, NULL);
  g_autoptr(GError) error = NULL;
  g_assert_null(schema_prune(schema, value, true, NULL, &error));
  g_assert_cmpint(reason_of(error), ==, REASON_BAD_REQUEST);
}

static void test_defaults(void)
{
  g_autoptr(ApiSchema) schema = compile(
      "{\"properties\":{\"spec\":{\"type\":\"object\",\"default\":{},\"properties\":{\"n\":{\"type\":\"integer\","
      "\"default\":3},"
      "\"z\":{\"type\":\"string\",\"default\":\"d\"},\"q\":{\"type\":\"string\",\"nullable\":true,\"default\":\"d\"},"
      "\"l\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"p\":{\"type\":\"string\",\"default\":"
      "\"TCP\"}}}},"
      "\"m\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\",\"properties\":{\"k\":{\"default\":1}}}"
      "}}}}}");
  g_autoptr(json_t) empty = json_object();
  g_assert_true(schema_lacks_defaults(schema, empty));
  schema_set_defaults(schema, empty);
  assert_json(empty, "{\"spec\":{\"n\":3,\"z\":\"d\",\"q\":\"d\"}}");
  g_assert_false(schema_lacks_defaults(schema, empty));
  g_autoptr(json_t) value =
      json_loads("{\"spec\":{\"n\":0,\"z\":null,\"q\":null,\"l\":[{},{\"p\":\"UDP\"}],\"m\":{\"a\":{}}}}", 0, NULL);
  schema_set_defaults(schema, value);
  assert_json(
      value,
      "{\"spec\":{\"n\":0,\"z\":\"d\",\"q\":null,\"l\":[{\"p\":\"TCP\"},{\"p\":\"UDP\"}],\"m\":{\"a\":{\"k\":1}}}}");
}

/* --- validation --- */

typedef struct ValidateCase {
  const char *schema, *value, *expected; /* of the message, without its beginning; "" when valid */
} ValidateCase;

#define SPEC(schema) "{\"type\":\"object\",\"properties\":{\"a\":" schema "}}"
#define A(value) "{\"a\":" value "}"

static const ValidateCase validate_cases[] = {
  { SPEC("{\"type\":\"integer\"}"), A("1"), "" },
  { SPEC("{\"type\":\"integer\"}"), A("1.0"), "" },
  { SPEC("{\"type\":\"integer\"}"), A("\"x\""),
    "a: Invalid value: \"string\": a in body must be of type integer: \"string\"" },
  { SPEC("{\"type\":\"object\"}"), A("[]"),
    "a: Invalid value: \"array\": a in body must be of type object: \"array\"" },
  { SPEC("{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"), A("[null]"),
    "a[0]: Invalid value: \"null\": a[0] in body must be of type string: \"null\"" },
  { SPEC("{\"type\":\"string\",\"nullable\":true}"), A("null"), "" },
  { SPEC("{\"x-kubernetes-int-or-string\":true}"), A("\"5%\""), "" },
  { SPEC("{\"x-kubernetes-int-or-string\":true}"), A("true"),
    "a: Invalid value: \"boolean\": a in body must be of type integer,string: \"boolean\"" },
  { SPEC("{\"type\":\"integer\",\"minimum\":1,\"maximum\":10}"), A("0"),
    "a: Invalid value: 0: a in body should be greater than or equal to 1" },
  { SPEC("{\"type\":\"integer\",\"minimum\":1,\"maximum\":10}"), A("11"),
    "a: Invalid value: 11: a in body should be less than or equal to 10" },
  { SPEC("{\"type\":\"number\",\"minimum\":0.5,\"exclusiveMinimum\":true}"), A("0.5"),
    "a: Invalid value: 0.5: a in body should be greater than 0.5" },
  { SPEC("{\"type\":\"integer\",\"multipleOf\":3}"), A("4"),
    "a: Invalid value: 4: a in body should be a multiple of 3" },
  { SPEC("{\"type\":\"string\",\"maxLength\":3}"), A("\"äöüß\""), "a: Too long: may not be more than 3 bytes" },
  { SPEC("{\"type\":\"string\",\"minLength\":1}"), A("\"\""),
    "a: Invalid value: \"\": a in body should be at least 1 chars long" },
  { SPEC("{\"type\":\"string\",\"pattern\":\"^[a-z]+$\"}"), A("\"A\""),
    "a: Invalid value: \"A\": a in body should match '^[a-z]+$'" },
  { SPEC("{\"type\":\"string\",\"pattern\":\"^a$\"}"), A("\"a\\n\""),
    "a: Invalid value: \"a\\n\": a in body should match '^a$'" },
  { SPEC("{\"type\":\"string\",\"enum\":[\"x\",\"y\"]}"), A("\"z\""),
    "a: Unsupported value: \"z\": supported values: \"x\", \"y\"" },
  { SPEC("{\"type\":\"integer\",\"enum\":[1,2]}"), A("2"), "" },
  { SPEC("{\"type\":\"object\",\"required\":[\"b\"]}"), A("{}"), "a.b: Required value" },
  { SPEC("{\"type\":\"array\",\"maxItems\":1,\"items\":{}}"), A("[1,2]"), "a: Too many: 2: must have at most 1 items" },
  { SPEC("{\"type\":\"array\",\"minItems\":2,\"items\":{}}"), A("[1]"),
    "a: Invalid value: 1: a in body should have at least 2 items" },
  { SPEC("{\"type\":\"object\",\"minProperties\":1}"), A("{}"),
    "a: Invalid value: 1: a in body should have at least 1 properties" },
  { SPEC("{\"type\":\"object\",\"maxProperties\":1,\"additionalProperties\":{}}"), A("{\"b\":1,\"c\":2}"),
    "a: Too many: 2: must have at most 1 items" },
  { SPEC("{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":\"string\"}}"), A("[\"x\",\"x\"]"),
    "a[1]: Duplicate value: \"x\"" },
  { SPEC("{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[\"n\",\"p\"],"
         "\"items\":{\"type\":"
         "\"object\",\"properties\":{\"n\":{\"type\":\"integer\"},\"p\":{\"type\":\"string\",\"default\":\"TCP\"}}}}"),
    A("[{\"n\":1},{\"n\":1,\"p\":\"UDP\"},{\"n\":1,\"p\":\"TCP\"}]"),
    "a[2]: Duplicate value: map[string]interface {}{\"n\":1, \"p\":\"TCP\"}" },
  { SPEC("{\"type\":\"string\",\"format\":\"date-time\"}"), A("\"now\""),
    "a: Invalid value: \"now\": a in body must be of type date-time: \"now\"" },
  { SPEC("{\"type\":\"integer\",\"anyOf\":[{\"minimum\":5},{\"maximum\":2}]}"), A("1"), "" },
  { SPEC("{\"type\":\"integer\",\"anyOf\":[{\"minimum\":5},{\"maximum\":2}]}"), A("3"),
    "[<nil>: Invalid value: \"\": \"a\" must validate at least one schema (anyOf), a: Invalid value: 3: a in body "
    "should be "
    "greater than or equal to 5]" },
  { SPEC("{\"type\":\"object\",\"oneOf\":[{\"required\":[\"b\"]},{\"required\":[\"c\"]}]}"), A("{\"b\":1,\"c\":1}"),
    "<nil>: Invalid value: \"\": \"a\" must validate one and only one schema (oneOf). Found 2 valid alternatives" },
  { SPEC("{\"type\":\"object\",\"oneOf\":[{\"required\":[\"b\"]},{\"required\":[\"c\"]}]}"), A("{}"),
    "[<nil>: Invalid value: \"\": \"a\" must validate one and only one schema (oneOf). Found none valid, a.b: Required "
    "value]" },
  { SPEC("{\"type\":\"string\",\"not\":{\"enum\":[\"x\"]}}"), A("\"x\""),
    "<nil>: Invalid value: \"\": \"a\" must not validate the schema (not)" },
  { SPEC("{\"type\":\"integer\",\"allOf\":[{\"minimum\":5},{\"maximum\":9}]}"), A("1"),
    "[a: Invalid value: 1: a in body should be greater than or equal to 5, <nil>: Invalid value: \"\": \"a\" must "
    "validate all "
    "the schemas (allOf)]" },
  { SPEC("{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true,\"x-kubernetes-preserve-unknown-fields\":true}"),
    A("{\"apiVersion\":\"v1\"}"), "a.kind: Required value: must not be empty" },
};

static char *errors_of(const char *schema_text, const char *text, const char *old_text)
{
  g_autoptr(ApiSchema) schema = compile(schema_text);
  g_autoptr(json_t) value = json_loads(text, 0, NULL);
  g_autoptr(json_t) old = old_text ? json_loads(old_text, 0, NULL) : NULL;
  g_autoptr(FieldErrors) errors = field_errors_new();
  g_autoptr(GError) error = NULL;
  schema_validate(schema, value, old, "", errors);
  if (field_errors_finish(errors, "K", "", "n", &error))
    return g_strdup("");
  const char *prefix = "K \"n\" is invalid: ";
  g_assert_true(g_str_has_prefix(error->message, prefix));
  return g_strdup(error->message + strlen(prefix));
}

static void test_validate(void)
{
  for (gsize i = 0; i < G_N_ELEMENTS(validate_cases); i++) {
    const ValidateCase *c = &validate_cases[i];
    g_autofree char *text = errors_of(c->schema, c->value, NULL);
    g_test_message("%s by %s", c->value, c->schema);
    g_assert_cmpstr(text, ==, c->expected);
  }
}

/* What was wrong already may stay as long as it is not touched. */
static void test_ratchet(void)
{
  const char *schema = "{\"properties\":{\"a\":{\"type\":\"string\",\"maxLength\":1},\"b\":{\"type\":\"string\"}}}";
  g_autofree char *unchanged = errors_of(schema, "{\"a\":\"long\",\"b\":\"y\"}", "{\"a\":\"long\",\"b\":\"x\"}");
  g_autofree char *changed = errors_of(schema, "{\"a\":\"longer\",\"b\":\"x\"}", "{\"a\":\"long\",\"b\":\"x\"}");
  g_assert_cmpstr(unchanged, ==, "");
  g_assert_cmpstr(changed, ==, "a: Too long: may not be more than 1 byte");
}

static void test_formats(void)
{
  static const struct {
    const char *format, *good, *bad;
  } cases[] = {
    { "date", "2024-02-29", "2023-02-29" },
    { "ipv4", "10.0.0.1", "10.0.0.256" },
    { "ipv6", "fd00::1", "10.0.0.1" },
    { "cidr", "10.0.0.0/8", "10.0.0.0/33" },
    { "uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810" },
    { "duration", "1h30m", "soon" },
    { "byte", "aGk=", "a?" },
    { "email", "a@b.c", "a" },
    { "mac", "00:11:22:33:44:55", "00:11" },
    { "uri", "https://a.b/c", "a b" },
    { "hostname", "a.example.com", "-a" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_test_message("%s", cases[i].format);
    g_assert_true(schema_format_matches(cases[i].format, cases[i].good));
    g_assert_false(schema_format_matches(cases[i].format, cases[i].bad));
  }
  g_assert_true(schema_format_matches("nobody-knows", "x"));
}

static void test_limits(void)
{
  g_autoptr(GError) error = NULL;
  json_t *deep = json_pack("{s:s}", "type", "string");
  for (int i = 0; i < SCHEMA_DEPTH_MAX + 1; i++)
    deep = json_pack("{s:s, s:o}", "type", "array", "items", deep);
  g_assert_null(schema_compile(deep, &error));
  g_assert_cmpint(reason_of(error), ==, REASON_INVALID);
  json_decref(deep);
  g_clear_error(&error);
  g_autoptr(json_t) bad = json_pack("{s:s}", "pattern", "(");
  g_assert_null(schema_compile(bad, &error));
  g_assert_nonnull(error);
}

/* --- JSONPath --- */

static void test_json_path(void)
{
  static const struct {
    const char *path, *found; /* "" when nothing is */
  } cases[] = {
    { ".spec.n", "3" },
    { ".spec['n']", "3" },
    { ".spec.none", "" },
    { ".list[0].t", "\"Ready\"" },
    { ".list[-1].t", "\"Other\"" },
    { ".list[1:2].t", "\"Other\"" },
    { ".list[*].s", "\"True\"" },
    { ".list[?(@.t==\"Other\")].s", "\"False\"" },
    { ".list[?(@.t!='Ready')].s", "\"False\"" },
    { ".list[?(@.n>5)].t", "\"Other\"" },
    { ".list[?(@.x)].t", "" },
    { "..deep", "true" },
    { ".metadata.annotations.a\\.b/c", "\"d\"" },
  };
  g_autoptr(json_t) value =
      json_loads("{\"spec\":{\"n\":3,\"a\":{\"deep\":true}},\"list\":[{\"t\":\"Ready\",\"s\":\"True\",\"n\":1},"
                 "{\"t\":\"Other\",\"s\":\"False\",\"n\":9}],\"metadata\":{\"annotations\":{\"a.b/c\":\"d\"}}}",
                 0, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonPath) path = json_path_parse(cases[i].path, &error);
    g_test_message("%s", cases[i].path);
    g_assert_no_error(error);
    const json_t *found = json_path_first(path, value);
    if (*cases[i].found)
      assert_json(found, cases[i].found);
    else
      g_assert_null(found);
  }
  static const char *const bad[] = { ".a[", ".a[x]", "a", ".a[?(@.b==)]", ".a[?(b)]", "..a..b..c" };
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_test_message("%s", bad[i]);
    g_assert_null(json_path_parse(bad[i], &error));
    g_assert_cmpint(reason_of(error), ==, REASON_INVALID);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/custom-schema/prune", test_prune);
  g_test_add_func("/custom-schema/prune-bad-metadata", test_prune_bad_metadata);
  g_test_add_func("/custom-schema/defaults", test_defaults);
  g_test_add_func("/custom-schema/validate", test_validate);
  g_test_add_func("/custom-schema/ratchet", test_ratchet);
  g_test_add_func("/custom-schema/formats", test_formats);
  g_test_add_func("/custom-schema/limits", test_limits);
  g_test_add_func("/custom-schema/json-path", test_json_path);
  return g_test_run();
}
