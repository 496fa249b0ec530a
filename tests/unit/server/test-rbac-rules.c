/* PolicyRules: what they allow and cover, and how upstream tells of them. */
#include "base/json.h"
#include "clusterd/server/access/rbac_rules.h"

static json_t *parse(const char *text)
{
  json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
  g_assert_nonnull(value);
  return value;
}

static void check_allows(const char *text, Attributes attributes, bool allowed)
{
  g_autoptr(json_t) rule = parse(text);
  if (!attributes.path && !attributes.group)
    attributes.group = "";
  g_assert_true(rbac_rule_allows(rule, &attributes) == allowed);
}

static void test_allows(void)
{
  static const char scale[] = "{\"verbs\":[\"get\"],\"apiGroups\":[\"*\"],\"resources\":[\"*/scale\"]}";
  static const char named[] =
      "{\"verbs\":[\"*\"],\"apiGroups\":[\"\"],\"resources\":[\"pods\",\"pods/log\"],\"resourceNames\":[\"a\"]}";
  static const char urls[] = "{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/healthz/*\",\"/version\"]}";
  check_allows(scale, (Attributes){ .verb = "get", .resource = "deployments", .subresource = "scale" }, true);
  check_allows(scale, (Attributes){ .verb = "get", .resource = "deployments" }, false);
  check_allows(named, (Attributes){ .verb = "get", .resource = "pods", .name = "a" }, true);
  check_allows(named, (Attributes){ .verb = "get", .resource = "pods", .subresource = "log", .name = "a" }, true);
  check_allows(named, (Attributes){ .verb = "get", .resource = "pods", .subresource = "exec", .name = "a" }, false);
  check_allows(named, (Attributes){ .verb = "list", .resource = "pods" }, false);
  check_allows(named, (Attributes){ .verb = "get", .group = "apps", .resource = "pods", .name = "a" }, false);
  check_allows(urls, (Attributes){ .verb = "get", .path = "/healthz/ping" }, true);
  check_allows(urls, (Attributes){ .verb = "get", .path = "/healthz" }, false);
  check_allows(urls, (Attributes){ .verb = "get", .path = "/version" }, true);
  check_allows(urls, (Attributes){ .verb = "post", .path = "/version" }, false);
  check_allows(urls, (Attributes){ .verb = "get", .resource = "pods" }, false);
}

static void check_missing(const char *owned_text, const char *wanted_text, const char *expected)
{
  g_autoptr(json_t) owned = parse(owned_text), wanted = parse(wanted_text);
  g_autoptr(json_t) missing = rbac_rules_missing(owned, wanted);
  g_autofree char *text = rbac_rules_text(missing);
  g_assert_cmpstr(text, ==, expected);
}

static void test_missing(void)
{
  static const char two[] =
      "[{\"verbs\":[\"get\",\"list\"],\"apiGroups\":[\"\",\"apps\"],\"resources\":[\"a\",\"b\"]}]";
  check_missing("[]", "[]", "");
  check_missing("[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}]", two, "");
  check_missing("[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"a\",\"b\"]},"
                "{\"verbs\":[\"list\"],\"apiGroups\":[\"\",\"apps\"],\"resources\":[\"a\",\"b\"]}]",
                two,
                "{APIGroups:[\"apps\"], Resources:[\"a\"], Verbs:[\"get\"]}\n"
                "{APIGroups:[\"apps\"], Resources:[\"b\"], Verbs:[\"get\"]}");
  /* a name is less than all, and all is more than a name */
  check_missing("[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"a\"],\"resourceNames\":[\"x\"]}]",
                "[{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"a\"],\"resourceNames\":[\"x\",\"y\"]},"
                "{\"verbs\":[\"get\",\"watch\"],\"apiGroups\":[\"\"],\"resources\":[\"a\"]}]",
                "{APIGroups:[\"\"], Resources:[\"a\"], ResourceNames:[\"y\"], Verbs:[\"get\"]}\n"
                "{APIGroups:[\"\"], Resources:[\"a\"], Verbs:[\"get\" \"watch\"]}");
  check_missing("[{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/a/*\"]}]",
                "[{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/a/b\",\"/c\"]}]",
                "{NonResourceURLs:[\"/c\"], Verbs:[\"get\"]}");
  check_missing(
      "[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*/scale\"]}]",
      "[{\"verbs\":[\"get\"],\"apiGroups\":[\"apps\"],\"resources\":[\"deployments\",\"deployments/scale\"]}]",
      "{APIGroups:[\"apps\"], Resources:[\"deployments\"], Verbs:[\"get\"]}");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/rbac-rules/allows", test_allows);
  g_test_add_func("/rbac-rules/missing", test_missing);
  return g_test_run();
}
