/* Quantities, times, JSON and YAML values, and the catalogue of reasons. */
#include <string.h>

#include "base/json.h"
#include "base/quantity.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "base/yaml.h"

static void check_quantity(const char *text, const char *canonical, int64_t value, int64_t milli)
{
  Quantity quantity;
  g_assert_true(quantity_parse(text, &quantity, NULL));
  g_autofree char *again = quantity_text(quantity);
  g_assert_cmpstr(again, ==, canonical);
  g_assert_cmpint(quantity_value(quantity), ==, value);
  g_assert_cmpint(quantity_milli(quantity), ==, milli);
}

static void test_quantities(void)
{
  check_quantity("500m", "500m", 1, 500);
  check_quantity("1.5Gi", "1536Mi", 1610612736, INT64_C(1610612736000));
  check_quantity("0.5", "500m", 1, 500);
  check_quantity("1000m", "1", 1, 1000);
  check_quantity("2e3", "2e3", 2000, 2000000);
  check_quantity("1024Ki", "1Mi", 1048576, INT64_C(1048576000));
  check_quantity("100", "100", 100, 100000);
  check_quantity("0", "0", 0, 0);
  check_quantity("-1", "-1", -1, -1000);
  check_quantity("12000", "12k", 12000, 12000000);
}

static void test_quantity_refusals(void)
{
  static const char *const wrong[] = { "", "x", "1x", "1 Gi", "Gi", "--1", "1.2.3", "1e", "1ee3", "1e99999999" };
  for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
    Quantity quantity;
    g_autoptr(GError) error = NULL;
    g_assert_false(quantity_parse(wrong[i], &quantity, &error));
    g_assert_error(error, LAUNCHER_ERROR, REASON_BAD_REQUEST);
  }
}

static void test_mebibytes(void)
{
  static const struct {
    const char *text;
    int64_t value;
  } good[] = { { "2048", 2048 }, { "4g", 4096 }, { "20000mb", 20000 }, { "1.5GiB", 1536 }, { "1048576k", 1024 } };
  int64_t value;
  for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
    g_assert_true(quantity_parse_mebibytes("memory", good[i].text, &value, NULL));
    g_assert_cmpint(value, ==, good[i].value);
  }
  static const char *const wrong[] = { "", "lots", "-5", "4x", "nan", "inf" };
  for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_false(quantity_parse_mebibytes("memory", wrong[i], &value, &error));
    g_assert_error(error, LAUNCHER_ERROR, REASON_USAGE);
    g_assert_nonnull(strstr(error->message, "--memory"));
  }
}

static void test_durations(void)
{
  static const struct {
    int64_t seconds;
    const char *text;
  } cases[] = { { 0, "0s" },
                { 119, "119s" },
                { 120, "2m" },
                { 125, "2m5s" },
                { 600, "10m" },
                { 3 * 3600, "3h" },
                { 12000, "3h20m" },
                { 8 * 3600, "8h" },
                { 47 * 3600, "47h" },
                { 2 * 86400, "2d" },
                { 7 * 86400 + 3600, "7d1h" },
                { 9 * 86400, "9d" },
                { 2 * 365 * 86400 + 86400, "2y1d" },
                { -5, "<invalid>" } };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text = timestamp_human_duration(cases[i].seconds * 1000000);
    g_assert_cmpstr(text, ==, cases[i].text);
  }
}

static void test_go_durations(void)
{
  static const struct {
    int64_t microseconds;
    const char *text;
  } cases[] = { { 0, "0s" },
                { 7, "7\u00b5s" },
                { 1500, "1.5ms" },
                { 950000, "950ms" },
                { 1000000, "1s" },
                { 14731000, "14.731s" },
                { 1000115, "1.000115s" },
                { 60000000, "1m0s" },
                { 60500000, "1m0.5s" },
                { 3600000000, "1h0m0s" },
                { 3661000000, "1h1m1s" } };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text = timestamp_go_duration(cases[i].microseconds);
    g_assert_cmpstr(text, ==, cases[i].text);
  }
}

static void test_timestamps(void)
{
  int64_t time;
  g_assert_true(timestamp_parse("2026-11-23T10:00:00.25+01:00", &time));
  g_autofree char *text = timestamp_text(time), *micro = timestamp_text_micro(time);
  g_assert_cmpstr(text, ==, "2026-11-23T09:00:00Z");
  g_assert_cmpstr(micro, ==, "2026-11-23T09:00:00.250000Z");
  g_assert_true(timestamp_parse("0336-01-01T00:00:00.000001Z", &time));
  g_autofree char *early = timestamp_text_micro(time);
  g_assert_cmpstr(early, ==, "0336-01-01T00:00:00.000001Z");
  g_assert_false(timestamp_parse("0001-01-01T00:00:00+14:00", &time)); /* year 0 in UTC */
  g_assert_false(timestamp_parse("20260102T030405Z", &time));
  g_assert_false(timestamp_parse("2026-01-02T03:04:05", &time));
  g_assert_false(timestamp_parse("yesterday", &time));
  g_assert_false(timestamp_parse(NULL, &time));
}

/* YAML text and the JSON it must stand for. */
static void check_yaml(const char *yaml, const char *json)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  g_autofree char *text = json_text(value);
  g_assert_cmpstr(text, ==, json);
}

static void test_yaml_reading(void)
{
  check_yaml("a: 1\nb: [x, 'y', \"z\"]\nc: {d: true}\n", "{\"a\":1,\"b\":[\"x\",\"y\",\"z\"],\"c\":{\"d\":true}}");
  check_yaml("on: off\nn: ~\ne:\ns: '1'\no: 0644\nh: 0x1F\nf: 1.5\n",
             "{\"on\":false,\"n\":null,\"e\":null,\"s\":\"1\",\"o\":420,\"h\":31,\"f\":1.5}");
  check_yaml("base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  y: 3\n",
             "{\"base\":{\"x\":1,\"y\":2},\"more\":{\"y\":3,\"x\":1}}");
  check_yaml("t: |\n  one\n  two\nv: 10.96.0.1\nd: 2026-11-23\n",
             "{\"t\":\"one\\ntwo\\n\",\"v\":\"10.96.0.1\",\"d\":\"2026-11-23\"}");
  check_yaml("", "null");
}

static void test_yaml_round_trip(void)
{
  static const char json[] =
      "{\"a\":\"true\",\"b\":\"12\",\"c\":\"\",\"d\":[],\"e\":{},\"f\":[{\"g\":\"x: y\"},\"- z\"],"
      "\"h\":\"line\\nline\\n\",\"i\":null,\"j\":1.5,\"k\":\"~\",\"l\":\" lead\",\"m\":\"é\",\"n\":\"#c\"}";
  g_autoptr(json_t) value = json_parse(json, strlen(json), true, NULL);
  g_autofree char *yaml = yaml_text(value);
  check_yaml(yaml, json);
}

static void test_yaml_refusals(void)
{
  static const char *const wrong[] = { "a: [", "a: 1\na: 2\n", "a: *nowhere\n", "? [x]\n: y\n", "a: \"\\xZZ\"" };
  for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(yaml_parse(wrong[i], strlen(wrong[i]), &error));
    g_assert_error(error, LAUNCHER_ERROR, REASON_BAD_REQUEST);
    g_assert_nonnull(strstr(error->message, "line "));
  }
}

/* Nine lists of nine aliases each would be a thousand million strings. */
static void test_yaml_bomb(void)
{
  g_autoptr(GString) text = g_string_new("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
  g_autoptr(GError) error = NULL;
  for (int i = 1; i < 9; i++) {
    g_string_append_printf(text, "a%d: &a%d [", i, i);
    for (int j = 0; j < 9; j++)
      g_string_append_printf(text, "%s*a%d", j ? "," : "", i - 1);
    g_string_append(text, "]\n");
  }
  g_assert_null(yaml_parse(text->str, text->len, &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_BAD_REQUEST);
}

static void test_json_bounds(void)
{
  g_autoptr(GError) error = NULL;
  g_assert_null(json_parse("{\"a\":1,\"a\":2}", 13, true, &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_BAD_REQUEST);
  g_autoptr(json_t) value = json_parse("{\"a\":{\"b\":[1]}}", 15, true, NULL);
  g_assert_true(json_is_array(json_at(value, "a", "b", NULL)));
  g_assert_null(json_at(value, "a", "c", "d", NULL));
  g_assert_null(json_at(NULL, "a", NULL));
}

/* Ids are unique and upper case, and every exit code and HTTP status is a legal one. */
static void test_reasons(void)
{
  g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
  for (int i = 0; i < REASON_MAX; i++) {
    const ReasonInfo *info = reason_info(i);
    g_assert_true(g_hash_table_add(ids, (gpointer)(uintptr_t)info->id));
    g_assert_cmpint((int)strspn(info->id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"), ==, (int)strlen(info->id));
    g_assert_cmpint(info->exit_code, >, 0);
    g_assert_cmpint(info->exit_code, <, 120);
    g_assert_cmpint(info->http_status, >=, 400);
    g_assert_cmpint(info->http_status, <, 600);
    if (i != REASON_UNKNOWN)
      g_assert_cmpstr(info->kube, !=, "");
  }
}

static void test_reason_details(void)
{
  g_autoptr(GError) error = NULL;
  g_assert_false(reason_set_details(&error, REASON_CONFLICT, json_pack("{s:s}", "name", "a"), "no %s", "way"));
  g_assert_true(reason_is(error, REASON_CONFLICT));
  g_autoptr(GError) copy = g_error_copy(error);
  g_assert_cmpstr(json_str(reason_details(copy), "name", ""), ==, "a");
  g_assert_cmpstr(copy->message, ==, "no way");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/quantity/canonical", test_quantities);
  g_test_add_func("/quantity/refusals", test_quantity_refusals);
  g_test_add_func("/quantity/mebibytes", test_mebibytes);
  g_test_add_func("/timestamp/durations", test_durations);
  g_test_add_func("/timestamp/go-durations", test_go_durations);
  g_test_add_func("/timestamp/text", test_timestamps);
  g_test_add_func("/yaml/reading", test_yaml_reading);
  g_test_add_func("/yaml/round-trip", test_yaml_round_trip);
  g_test_add_func("/yaml/refusals", test_yaml_refusals);
  g_test_add_func("/yaml/bomb", test_yaml_bomb);
  g_test_add_func("/json/bounds", test_json_bounds);
  g_test_add_func("/reason/catalogue", test_reasons);
  g_test_add_func("/reason/details", test_reason_details);
  return g_test_run();
}
