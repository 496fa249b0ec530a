/* Label and field selectors: what they select, and the words of their errors. */
#include <glib.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/selector/selector.h"

static json_t *parse(const char *text)
{
  g_autoptr(GError) error = NULL;
  json_t *value = json_parse(text, strlen(text), true, &error);
  g_assert_no_error(error);
  return value;
}

static bool selects(const char *query, const char *labels_text)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(LabelSelector) selector = label_selector_parse(query, &error);
  g_assert_no_error(error);
  g_autoptr(json_t) labels = labels_text ? parse(labels_text) : NULL;
  return label_selector_matches(selector, labels);
}

static void test_label_matching(void)
{
  const char *labels = "{\"a\":\"b\",\"n\":\"5\",\"e\":\"\",\"in\":\"notin\"}";
  static const char *const yes[] = {
    "",
    "a=b",
    "a==b",
    "a!=c",
    "z!=c",
    "a",
    "!z",
    "a in (b,c)",
    "a notin (c)",
    "z notin (c)",
    "n>4",
    "n<6",
    "e=",
    "e in ()",
    "e in (,x)",
    " a = b , n ",
    "in=notin",
    "in in (in,notin)",
    "a in (x,,b)",
    "!z,a=b",
  };
  static const char *const no[] = { "a=c", "a!=b", "z",   "!a", "a in (c)", "a notin (b,c)",
                                    "n>5", "n<5",  "a>1", "z=", "e!=" };
  for (gsize i = 0; i < G_N_ELEMENTS(yes); i++)
    g_assert_true(selects(yes[i], labels) || (g_test_message("%s", yes[i]), FALSE));
  for (gsize i = 0; i < G_N_ELEMENTS(no); i++)
    g_assert_false(selects(no[i], labels) && (g_test_message("%s", no[i]), TRUE));
  g_assert_true(selects("!a", NULL));
  g_assert_false(selects("a", NULL));
}

static void assert_label_error(const char *query, const char *expected)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(LabelSelector) selector = label_selector_parse(query, &error);
  g_assert_null(selector);
  g_assert_true(reason_is(error, REASON_BAD_REQUEST));
  g_assert_cmpstr(error->message, ==, expected);
}

static void test_label_errors(void)
{
  assert_label_error("a===b", "unable to parse requirement: found '=', expected: identifier");
  assert_label_error("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
  assert_label_error("a,", "found '', expected: identifier after ','");
  assert_label_error("=b", "found '=', expected: !, identifier, or 'end of string'");
  assert_label_error("a in b", "unable to parse requirement: found 'b', expected: '('");
  assert_label_error("a in (b", "unable to parse requirement: found '', expected: ',' or ')'");
  assert_label_error("a=b c", "found 'c', expected: ',' or 'end of string'");
  assert_label_error("a>x",
                     "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the "
                     "value must be an integer");
  assert_label_error("/a", "unable to parse requirement: key: Invalid value: \"/a\": prefix part must be non-empty");
}

static void test_label_texts(void)
{
  static const struct {
    const char *query, *text;
  } cases[] = {
    { "b=1,a=2", "a=2,b=1" },
    { "x in (c,a,b)", "x in (a,b,c)" },
    { "!q,a==1", "a==1,!q" },
    { "a>1,b", "a>1,b" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(LabelSelector) selector = label_selector_parse(cases[i].query, NULL);
    g_autofree char *text = label_selector_text(selector);
    g_assert_cmpstr(text, ==, cases[i].text);
  }
}

static void test_label_json(void)
{
  g_autoptr(json_t) labels = parse("{\"a\":\"b\",\"c\":\"d\"}");
  g_autoptr(json_t) value =
      parse("{\"matchLabels\":{\"a\":\"b\"},\"matchExpressions\":[{\"key\":\"c\",\"operator\":\"In\","
            "\"values\":[\"d\"]},{\"key\":\"z\",\"operator\":\"DoesNotExist\"}]}");
  g_autoptr(LabelSelector) selector = label_selector_from_json(value, NULL);
  g_autofree char *text = label_selector_text(selector);
  g_assert_cmpstr(text, ==, "a=b,c in (d),!z");
  g_assert_true(label_selector_matches(selector, labels));

  g_autoptr(LabelSelector) nothing = label_selector_from_json(NULL, NULL);
  g_assert_false(label_selector_matches(nothing, labels));
  g_autoptr(json_t) empty = json_object();
  g_autoptr(LabelSelector) everything = label_selector_from_json(empty, NULL);
  g_assert_true(label_selector_is_everything(everything) && label_selector_matches(everything, NULL));
  g_autoptr(LabelSelector) empty_map = label_selector_from_map(empty);
  g_assert_false(label_selector_matches(empty_map, labels));
  g_autoptr(LabelSelector) map = label_selector_from_map(labels);
  g_assert_true(label_selector_matches(map, labels));

  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) bad = parse("{\"matchExpressions\":[{\"key\":\"c\",\"operator\":\"Near\"}]}");
  g_assert_null(label_selector_from_json(bad, &error));
  g_assert_cmpstr(error->message, ==, "\"Near\" is not a valid label selector operator");
}

static const ApiSelectableField pod_fields[] = {
  { "spec.nodeName", NULL, NULL },
  { "spec.unschedulable", "false", NULL },
  { "status.successful", "0", "status.succeeded" },
};
static const ApiKind pod = { .kind = "Pod", .selectable = pod_fields, .n_selectable = 3 };
static const ApiKind config_map = { .kind = "ConfigMap" };

static bool field_selects(const char *query, const json_t *object)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(FieldSelector) selector = field_selector_parse(&pod, query, &error);
  g_assert_no_error(error);
  bool selected = field_selector_matches(selector, object);
  g_autofree char *text = json_text(object);
  g_assert_cmpint(field_selector_matches_text(selector, text, strlen(text)), ==, selected);
  return selected;
}

static void test_fields(void)
{
  g_autoptr(json_t) object =
      parse("{\"metadata\":{\"name\":\"p=1\"},\"spec\":{\"nodeName\":\"n\"},\"status\":{\"succeeded\":2}}");
  static const char *const yes[] = {
    "",
    "spec.nodeName=n",
    "spec.nodeName==n",
    "spec.nodeName!=m",
    "metadata.name=p\\=1",
    "metadata.namespace=",
    "spec.unschedulable=false",
    "spec.unschedulable!=true",
    "status.successful=2",
    "spec.nodeName=n,metadata.name!=q,",
  };
  static const char *const no[] = { "spec.nodeName=", "spec.nodeName!=n", "metadata.name=p", "status.successful!=2" };
  for (gsize i = 0; i < G_N_ELEMENTS(yes); i++)
    g_assert_true(field_selects(yes[i], object) || (g_test_message("%s", yes[i]), FALSE));
  for (gsize i = 0; i < G_N_ELEMENTS(no); i++)
    g_assert_false(field_selects(no[i], object) && (g_test_message("%s", no[i]), TRUE));
  g_autoptr(FieldSelector) one = field_selector_parse(&pod, "spec.nodeName!=x,metadata.name=abc", NULL);
  g_assert_cmpstr(field_selector_single_name(one), ==, "abc");
  g_autoptr(FieldSelector) other = field_selector_parse(&pod, "metadata.name!=abc", NULL);
  g_assert_null(field_selector_single_name(other));
}

static void assert_field_error(const ApiKind *kind, const char *query, const char *expected)
{
  g_autoptr(GError) error = NULL;
  g_assert_null(field_selector_parse(kind, query, &error));
  g_assert_true(reason_is(error, REASON_BAD_REQUEST));
  g_assert_cmpstr(error->message, ==, expected);
}

static void test_field_errors(void)
{
  assert_field_error(&config_map, "data.k=v",
                     "\"data.k\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
  assert_field_error(&pod, "spec.x=v", "field label not supported: spec.x");
  assert_field_error(&pod, "spec.nodeName", "invalid selector: 'spec.nodeName'; can't understand 'spec.nodeName'");
  assert_field_error(&pod, "metadata.name=a=b", "invalid field selector: unescaped character in value: =");
  assert_field_error(&pod, "metadata.name=a\\x", "invalid field selector: invalid escape sequence: \\x");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/selector/labels/matching", test_label_matching);
  g_test_add_func("/selector/labels/errors", test_label_errors);
  g_test_add_func("/selector/labels/texts", test_label_texts);
  g_test_add_func("/selector/labels/json", test_label_json);
  g_test_add_func("/selector/fields/matching", test_fields);
  g_test_add_func("/selector/fields/errors", test_field_errors);
  return g_test_run();
}
