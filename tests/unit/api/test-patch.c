/* The four patches, case by case: target, patch, result or error. */
#include <glib.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/patch/patch.h"

/* api_message_field searches by name: fields are sorted here so that any way of searching finds them. */
static const ApiField port_fields[] = {
  { .name = "name", .type = API_STRING },
  { .name = "port", .type = API_INT32 },
};
static const ApiMessage port = { .name = "test.Port", .fields = port_fields, .n_fields = 2 };
static const ApiField env_fields[] = {
  { .name = "name", .type = API_STRING },
  { .name = "value", .type = API_STRING },
};
static const ApiMessage env = { .name = "test.Env", .fields = env_fields, .n_fields = 2 };
static const ApiField item_fields[] = {
  { .name = "args", .type = API_STRING, .flags = API_FIELD_LIST },
  { .name = "env",
    .type = API_MESSAGE,
    .flags = API_FIELD_LIST | API_FIELD_PATCH_MERGE,
    .message = &env,
    .merge_key = "name" },
  { .name = "image", .type = API_STRING },
  { .name = "name", .type = API_STRING },
  { .name = "ports",
    .type = API_MESSAGE,
    .flags = API_FIELD_LIST | API_FIELD_PATCH_MERGE,
    .message = &port,
    .merge_key = "port" },
};
static const ApiMessage item = { .name = "test.Item", .fields = item_fields, .n_fields = 5 };
static const ApiField root_fields[] = {
  { .name = "finalizers", .type = API_STRING, .flags = API_FIELD_LIST | API_FIELD_PATCH_MERGE },
  { .name = "items",
    .type = API_MESSAGE,
    .flags = API_FIELD_LIST | API_FIELD_PATCH_MERGE,
    .message = &item,
    .merge_key = "name" },
  { .name = "labels", .type = API_STRING, .flags = API_FIELD_MAP },
  { .name = "whole", .type = API_MESSAGE, .flags = API_FIELD_PATCH_REPLACE, .message = &item },
};
static const ApiMessage root = { .name = "test.Root", .fields = root_fields, .n_fields = 4 };

typedef struct Case {
  const char *target, *patch, *result; /* RESULT: JSON, or "!" and the error's text */
} Case;

static json_t *parse(const char *text)
{
  g_autoptr(GError) error = NULL;
  json_t *value = json_parse(text, strlen(text), true, &error);
  g_assert_no_error(error);
  return value;
}

static void run(const Case *c, json_t *(*apply)(const json_t *, const json_t *, GError **))
{
  g_autoptr(json_t) target = parse(c->target);
  g_autoptr(json_t) patch = parse(c->patch);
  g_autoptr(json_t) target_before = json_deep_copy(target);
  g_autoptr(json_t) patch_before = json_deep_copy(patch);
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) result = apply(target, patch, &error);
  if (c->result[0] == '!') {
    g_assert_null(result);
    g_assert_nonnull(error);
    g_assert_cmpstr(error->message, ==, c->result + 1);
  } else {
    g_assert_no_error(error);
    g_autoptr(json_t) expected = parse(c->result);
    g_autofree char *want = json_text(expected), *have = json_text(result);
    if (!json_equal(expected, result))
      g_assert_cmpstr(have, ==, want);
  }
  g_assert_true(json_equal(target, target_before) && json_equal(patch, patch_before));
}

static json_t *apply_strategic(const json_t *target, const json_t *patch, GError **error)
{
  return patch_strategic(&root, target, patch, error);
}

#define GENERIC "!the server rejected our request due to an error in our request"

static void test_json(void)
{
  static const Case cases[] = {
    { "{}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]", "{\"a\":1}" },
    { "{\"a\":[1,3]}",
      "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2},{\"op\":\"add\",\"path\":\"/a/-\",\"value\":4}]",
      "{\"a\":[1,2,3,4]}" },
    { "{\"a/b\":{\"c~d\":1}}", "[{\"op\":\"replace\",\"path\":\"/a~1b/c~0d\",\"value\":2}]", "{\"a/b\":{\"c~d\":2}}" },
    { "{\"~1\":1}", "[{\"op\":\"remove\",\"path\":\"/~01\"}]", "{}" },
    { "{\"a\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/a/0\"}]", "{\"a\":[2]}" },
    { "{\"a\":[1,2]}", "[{\"op\":\"replace\",\"path\":\"/a/1\",\"value\":9}]", "{\"a\":[1,9]}" },
    { "{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/c\"}]", "{\"a\":{},\"c\":1}" },
    { "{\"a\":{\"b\":1}}",
      "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"},{\"op\":\"add\",\"path\":\"/c/d\",\"value\":2}]",
      "{\"a\":{\"b\":1},\"c\":{\"b\":1,\"d\":2}}" },
    { "{\"a\":1}",
      "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1},{\"op\":\"replace\",\"path\":\"\",\"value\":{\"z\":1}}]",
      "{\"z\":1}" },
    { "{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]", GENERIC },
    { "{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/b\",\"value\":null}]", "{\"a\":1}" },
    { "{}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]", GENERIC },
    { "{}", "[{\"op\":\"remove\",\"path\":\"/a\"}]", GENERIC },
    { "{}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":1}]", GENERIC },
    { "{\"a\":[]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":1}]", GENERIC },
    { "{\"a\":[1,1]}", "[{\"op\":\"remove\",\"path\":\"/a/01\"}]", GENERIC },
    { "{}", "[{\"op\":\"leap\",\"path\":\"/a\"}]", GENERIC },
    { "{}", "[{\"op\":\"add\",\"value\":1}]", GENERIC },
    { "{}", "{}", "!error decoding patch: a JSON patch must be an array of operations" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    run(&cases[i], patch_json);
}

static void test_json_limits(void)
{
  g_autoptr(json_t) target = parse("{\"a\":{\"b\":1}}");
  g_autoptr(json_t) patch = json_array();
  g_autoptr(json_t) many = json_array();
  for (int i = 0; i < 60; i++) /* 2^60 copies if nobody counted */
    json_array_append_new(patch, json_pack("{s:s,s:s}", "op", "copy", "from", "/a"));
  for (int i = 0; i < 60; i++) {
    g_autofree char *path = g_strdup_printf("/a/%d", i);
    json_object_set_new(json_array_get(patch, (size_t)i), "path", json_string(path));
  }
  g_autoptr(GError) error = NULL;
  g_assert_null(patch_json(target, patch, &error));
  g_assert_true(reason_is(error, REASON_INVALID));
  for (int i = 0; i <= PATCH_JSON_OPERATIONS_MAX; i++)
    json_array_append(many, json_array_get(patch, 0));
  g_clear_error(&error);
  g_assert_null(patch_json(target, many, &error));
  g_assert_true(reason_is(error, REASON_REQUEST_TOO_LARGE));
}

static void test_merge(void)
{
  static const Case cases[] = {
    /* RFC 7386, appendix A, what concerns objects */
    { "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
    { "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
    { "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
    { "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
    { "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
    { "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}" },
    { "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
    { "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
    { "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
    { "{}", "[1]", "!error decoding patch: a merge patch must be an object" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    run(&cases[i], patch_merge);
}

static void test_diff(void)
{
  static const Case cases[] = {
    { "{\"a\":1,\"b\":{\"c\":1,\"d\":2}}", "{\"b\":{\"c\":1,\"d\":3},\"e\":[1]}",
      "{\"a\":null,\"b\":{\"d\":3},\"e\":[1]}" },
    { "{\"a\":1}", "{\"a\":1}", "{}" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(json_t) from = parse(cases[i].target);
    g_autoptr(json_t) to = parse(cases[i].patch);
    g_autoptr(json_t) want = parse(cases[i].result);
    g_autoptr(json_t) patch = patch_merge_diff(from, to);
    g_assert_true(json_equal(patch, want));
    g_autoptr(json_t) result = patch_merge(from, patch, NULL);
    g_assert_true(json_equal(result, to));
  }
}

static void test_strategic_merge(void)
{
  static const Case cases[] = {
    { "{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}", "{\"labels\":{\"a\":null,\"c\":\"3\"}}",
      "{\"labels\":{\"b\":\"2\",\"c\":\"3\"}}" },
    { "{\"items\":[{\"name\":\"x\",\"image\":\"1\",\"args\":[\"a\",\"b\"]}]}",
      "{\"items\":[{\"name\":\"x\",\"image\":\"2\",\"args\":[\"c\"]}]}",
      "{\"items\":[{\"name\":\"x\",\"image\":\"2\",\"args\":[\"c\"]}]}" },
    /* an element the patch adds goes before what it does not name, as upstream has it */
    { "{\"items\":[{\"name\":\"x\"}]}", "{\"items\":[{\"name\":\"y\"}]}",
      "{\"items\":[{\"name\":\"y\"},{\"name\":\"x\"}]}" },
    { "{\"items\":[{\"name\":\"x\",\"env\":[{\"name\":\"A\",\"value\":\"1\"}]}]}",
      "{\"items\":[{\"name\":\"x\",\"env\":[{\"name\":\"A\",\"value\":null},{\"name\":\"B\"}]}]}",
      "{\"items\":[{\"name\":\"x\",\"env\":[{\"name\":\"A\"},{\"name\":\"B\"}]}]}" },
    { "{\"items\":[{\"name\":\"x\",\"ports\":[{\"port\":80},{\"port\":81}]}]}",
      "{\"items\":[{\"name\":\"x\",\"ports\":[{\"port\":81,\"name\":\"n\"}]}]}",
      "{\"items\":[{\"name\":\"x\",\"ports\":[{\"port\":80},{\"port\":81,\"name\":\"n\"}]}]}" },
    { "{\"finalizers\":[\"a\",\"b\"]}", "{\"finalizers\":[\"b\",\"c\"]}", "{\"finalizers\":[\"a\",\"b\",\"c\"]}" },
    { "{\"whole\":{\"name\":\"x\",\"image\":\"1\"}}", "{\"whole\":{\"name\":\"y\"}}", "{\"whole\":{\"name\":\"y\"}}" },
    { "{}", "{\"items\":[{\"name\":\"x\",\"env\":null}]}", "{\"items\":[{\"name\":\"x\"}]}" },
    { "{\"items\":[{\"name\":\"x\"}]}", "{\"items\":[{\"image\":\"z\"}]}",
      "!map: map[image:z] does not contain declared merge key: name" },
    { "{\"items\":[{\"name\":\"x\"}]}", "{\"items\":[{\"image\":\"z\",\"args\":[\"a\",\"b\"],\"env\":null}]}",
      "!map: map[args:[a b] env:<nil> image:z] does not contain declared merge key: name" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    run(&cases[i], apply_strategic);
}

static void test_strategic_directives(void)
{
  static const Case cases[] = {
    { "{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$patch\":\"replace\",\"b\":\"2\"}}", "{\"labels\":{\"b\":\"2\"}}" },
    { "{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$patch\":\"delete\"}}", "{\"labels\":{}}" },
    { "{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$patch\":\"merge\",\"b\":\"2\"}}",
      "{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}" },
    { "{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$patch\":\"x\"}}", "!unknown patch type: x in map: map[$patch:x]" },
    { "{\"items\":[{\"name\":\"x\"},{\"name\":\"y\"}]}", "{\"items\":[{\"$patch\":\"delete\",\"name\":\"x\"}]}",
      "{\"items\":[{\"name\":\"y\"}]}" },
    { "{\"items\":[{\"name\":\"x\"},{\"name\":\"y\"}]}", "{\"items\":[{\"$patch\":\"replace\"},{\"name\":\"z\"}]}",
      "{\"items\":[{\"name\":\"z\"}]}" },
    { "{\"items\":[{\"name\":\"x\"}]}", "{\"items\":[{\"$patch\":\"delete\",\"image\":\"x\"}]}",
      "!map: map[$patch:delete image:x] does not contain declared merge key: name" },
    { "{\"items\":[{\"name\":\"x\"}]}", "{\"items\":[{\"$patch\":\"merge\"}]}",
      "!merging lists cannot yet be specified in the patch" },
    { "{\"finalizers\":[\"a\",\"b\",\"c\"]}", "{\"$deleteFromPrimitiveList/finalizers\":[\"a\",\"c\"]}",
      "{\"finalizers\":[\"b\"]}" },
    { "{}", "{\"$deleteFromPrimitiveList/finalizers\":[\"a\"]}", "{}" },
    { "{\"finalizers\":[\"a\",\"b\"]}",
      "{\"$setElementOrder/finalizers\":[\"c\",\"b\"],\"$deleteFromPrimitiveList/"
      "finalizers\":[\"a\"],\"finalizers\":[\"c\"]}",
      "{\"finalizers\":[\"c\",\"b\"]}" },
    { "{}", "{\"$deleteFromPrimitiveList/a/b\":[]}", "!invalid patch format of primitive list" },
    { "{\"whole\":{\"name\":\"x\"},\"labels\":{\"a\":\"1\",\"b\":\"2\"}}",
      "{\"labels\":{\"$retainKeys\":[\"b\",\"c\"],\"c\":\"3\"}}",
      "{\"whole\":{\"name\":\"x\"},\"labels\":{\"b\":\"2\",\"c\":\"3\"}}" },
    { "{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$retainKeys\":[\"b\"],\"c\":\"3\"}}",
      "!invalid patch format of retainKeys" },
    { "{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$retainKeys\":1}}", "!invalid patch format of retainKeys" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    run(&cases[i], apply_strategic);
}

static void test_strategic_order(void)
{
  static const Case cases[] = {
    { "{\"items\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
      "{\"$setElementOrder/items\":[{\"name\":\"b\"},{\"name\":\"a\"}]}",
      "{\"items\":[{\"name\":\"b\"},{\"name\":\"a\"}]}" },
    { "{\"items\":[{\"name\":\"a\"},{\"name\":\"s\"},{\"name\":\"b\"}]}",
      "{\"$setElementOrder/"
      "items\":[{\"name\":\"a\"},{\"name\":\"n\"},{\"name\":\"b\"}],\"items\":[{\"name\":\"n\",\"image\":\"i\"}]}",
      "{\"items\":[{\"name\":\"a\"},{\"name\":\"n\",\"image\":\"i\"},{\"name\":\"s\"},{\"name\":\"b\"}]}" },
    { "{\"items\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
      "{\"$setElementOrder/items\":[{\"name\":\"b\"}],\"items\":[{\"$patch\":\"delete\",\"name\":\"a\"}]}",
      "{\"items\":[{\"name\":\"b\"}]}" },
    { "{}", "{\"$setElementOrder/items\":[{\"name\":\"b\"}],\"items\":[{\"name\":\"b\"}]}",
      "{\"items\":[{\"name\":\"b\"}]}" },
    { "{}", "{\"$setElementOrder/items\":[{\"name\":\"b\"}]}", "{}" },
    { "{\"items\":[{\"name\":\"b\"}]}", "{\"$setElementOrder/items\":1}",
      "!invalid patch format of setElementOrder list" },
    { "{\"items\":[{\"name\":\"b\"}]}", "{\"$setElementOrder/items\":[{\"name\":\"b\"}],\"items\":[{\"name\":\"c\"}]}",
      "!The order in patch list:\n[map[name:c]]\n doesn't match $setElementOrder list:\n[map[name:b]]\n" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    run(&cases[i], apply_strategic);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/patch/json/operations", test_json);
  g_test_add_func("/patch/json/limits", test_json_limits);
  g_test_add_func("/patch/merge", test_merge);
  g_test_add_func("/patch/diff", test_diff);
  g_test_add_func("/patch/strategic/merge", test_strategic_merge);
  g_test_add_func("/patch/strategic/directives", test_strategic_directives);
  g_test_add_func("/patch/strategic/order", test_strategic_order);
  return g_test_run();
}
