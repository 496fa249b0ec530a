/* Which IP families a Service gets. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/server/admission/service_families.h"

static const ServiceFamilies v4 = { 1, { IP_V4 } }, v6 = { 1, { IP_V6 } }, both = { 2, { IP_V4, IP_V6 } },
                             six_first = { 2, { IP_V6, IP_V4 } };

static json_t *parse(const char *text)
{
  g_autofree char *quoted = g_strdelimit(g_strdup(text), "'", '"');
  g_autoptr(GError) error = NULL;
  json_t *value = json_parse(quoted, strlen(quoted), true, &error);
  g_assert_no_error(error);
  return value;
}

#define SINGLE "'ipFamilyPolicy': 'SingleStack'"
#define PREFER "'ipFamilyPolicy': 'PreferDualStack'"
#define REQUIRE "'ipFamilyPolicy': 'RequireDualStack'"
#define POLICY_INVALID(policy) "Service \"x\" is invalid: spec.ipFamilyPolicy: Invalid value: \"" policy "\": "
#define SELECTED "'selector': {'a': 'b'}, "

static const struct {
  const char *name;
  const ServiceFamilies *cluster;
  const char *old, *spec; /* old: NULL for a new service */
  const char *result;     /* the spec, or the error's text */
} rows[] = {
  /* what nobody asks for */
  { "default", &v4, NULL, "{}", "{" SINGLE ", 'ipFamilies': ['IPv4']}" },
  { "default-v6", &v6, NULL, "{}", "{" SINGLE ", 'ipFamilies': ['IPv6']}" },
  { "default-dual", &both, NULL, "{}", "{" SINGLE ", 'ipFamilies': ['IPv4']}" },
  { "default-six-first", &six_first, NULL, "{}", "{" SINGLE ", 'ipFamilies': ['IPv6']}" },
  /* one family */
  { "other-family", &both, NULL, "{'ipFamilies': ['IPv6']}", "{'ipFamilies': ['IPv6'], " SINGLE "}" },
  { "absent-family", &v4, NULL, "{'ipFamilies': ['IPv6']}",
    "Service \"x\" is invalid: spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster" },
  { "by-address", &both, NULL, "{'clusterIPs': ['fd00::5']}",
    "{'clusterIPs': ['fd00::5'], 'ipFamilies': ['IPv6'], " SINGLE "}" },
  { "by-absent-address", &v4, NULL, "{'clusterIPs': ['fd00::5']}",
    "Service \"x\" is invalid: spec.clusterIPs[0]: Invalid value: []string{\"fd00::5\"}: IPv6 is not configured on "
    "this cluster" },
  /* two */
  { "prefer", &both, NULL, "{" PREFER "}", "{" PREFER ", 'ipFamilies': ['IPv4', 'IPv6']}" },
  { "prefer-where-one", &v4, NULL, "{" PREFER "}", "{" PREFER ", 'ipFamilies': ['IPv4']}" },
  { "prefer-order", &both, NULL, "{" PREFER ", 'ipFamilies': ['IPv6']}",
    "{" PREFER ", 'ipFamilies': ['IPv6', 'IPv4']}" },
  { "require", &six_first, NULL, "{" REQUIRE "}", "{" REQUIRE ", 'ipFamilies': ['IPv6', 'IPv4']}" },
  { "require-where-one", &v4, NULL, "{" REQUIRE "}",
    POLICY_INVALID("RequireDualStack") "this cluster is not configured for dual-stack services" },
  { "two-addresses", &both, NULL, "{" PREFER ", 'clusterIPs': ['fd00::5', '10.0.0.5']}",
    "{" PREFER ", 'clusterIPs': ['fd00::5', '10.0.0.5'], 'ipFamilies': ['IPv6', 'IPv4']}" },
  { "two-addresses-alone", &both, NULL, "{'clusterIPs': ['fd00::5', '10.0.0.5']}",
    POLICY_INVALID("SingleStack") "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are "
                                  "specified" },
  { "two-families-alone", &both, NULL, "{'ipFamilies': ['IPv4', 'IPv6']}",
    POLICY_INVALID("SingleStack") "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are "
                                  "specified" },
  /* headless */
  { "headless", &both, NULL, "{" SELECTED "'clusterIP': 'None', 'clusterIPs': ['None']}",
    "{" SELECTED "'clusterIP': 'None', 'clusterIPs': ['None'], " SINGLE ", 'ipFamilies': ['IPv4']}" },
  { "headless-foreign", &v4, NULL, "{'clusterIP': 'None', 'clusterIPs': ['None']}",
    "{'clusterIP': 'None', 'clusterIPs': ['None'], " REQUIRE ", 'ipFamilies': ['IPv4', 'IPv6']}" },
  { "headless-foreign-single", &v4, NULL, "{'clusterIP': 'None', " SINGLE ", 'ipFamilies': ['IPv6']}",
    "{'clusterIP': 'None', " SINGLE ", 'ipFamilies': ['IPv6']}" },
  /* changes */
  { "keeps-policy", &both, "{" PREFER ", 'ipFamilies': ['IPv4', 'IPv6'], 'clusterIPs': ['10.0.0.5', 'fd00::5']}",
    "{'ipFamilies': ['IPv4', 'IPv6'], 'clusterIPs': ['10.0.0.5', 'fd00::5']}",
    "{" PREFER ", 'ipFamilies': ['IPv4', 'IPv6'], 'clusterIPs': ['10.0.0.5', 'fd00::5']}" },
  { "does-not-follow", &both, "{" PREFER ", 'ipFamilies': ['IPv4'], 'clusterIPs': ['10.0.0.5']}",
    "{" PREFER ", 'ipFamilies': ['IPv4'], 'clusterIPs': ['10.0.0.5']}",
    "{" PREFER ", 'ipFamilies': ['IPv4'], 'clusterIPs': ['10.0.0.5']}" },
  { "upgrade", &both, "{" SINGLE ", 'ipFamilies': ['IPv4'], 'clusterIPs': ['10.0.0.5']}",
    "{" REQUIRE ", 'ipFamilies': ['IPv4'], 'clusterIPs': ['10.0.0.5']}",
    "{" REQUIRE ", 'ipFamilies': ['IPv4', 'IPv6'], 'clusterIPs': ['10.0.0.5']}" },
  { "downgrade", &both, "{" REQUIRE ", 'ipFamilies': ['IPv4', 'IPv6'], 'clusterIPs': ['10.0.0.5', 'fd00::5']}",
    "{" SINGLE ", 'ipFamilies': ['IPv4', 'IPv6'], 'clusterIPs': ['10.0.0.5', 'fd00::5']}",
    "{" SINGLE ", 'ipFamilies': ['IPv4'], 'clusterIPs': ['10.0.0.5']}" },
  { "downgrade-unsaid", &both, "{" REQUIRE ", 'ipFamilies': ['IPv4', 'IPv6'], 'clusterIPs': ['10.0.0.5', 'fd00::5']}",
    "{" REQUIRE ", 'ipFamilies': ['IPv4', 'IPv6'], 'clusterIPs': ['10.0.0.5']}",
    POLICY_INVALID("RequireDualStack") "must be 'SingleStack' to release the secondary cluster IP" },
};

static void test_row(gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE(data);
  g_autoptr(json_t) spec = parse(rows[i].spec), old = rows[i].old ? parse(rows[i].old) : NULL;
  g_autoptr(json_t) old_before = json_deep_copy(old);
  g_autoptr(FieldErrors) errors = field_errors_new();
  g_autoptr(GError) error = NULL;
  service_families_complete(spec, old, rows[i].cluster, errors);
  g_assert_true(json_same(old, old_before));
  if (!field_errors_finish(errors, "Service", "", "x", &error)) {
    g_assert_cmpstr(error->message, ==, rows[i].result);
    return;
  }
  g_assert_cmpint(*rows[i].result, ==, '{');
  g_autoptr(json_t) expected = parse(rows[i].result);
  g_autofree char *got_text = json_text_sorted(spec), *expected_text = json_text_sorted(expected);
  g_assert_cmpstr(got_text, ==, expected_text);
}

/* What is shared with the stored object is not changed. */
static void test_shared(void)
{
  g_autoptr(json_t) old = parse("{" SINGLE ", 'ipFamilies': ['IPv4'], 'clusterIPs': ['10.0.0.5']}");
  g_autoptr(json_t) spec = json_copy(old), before = json_deep_copy(old);
  g_autoptr(FieldErrors) errors = field_errors_new();
  json_object_set_new(spec, "ipFamilyPolicy", json_string("PreferDualStack"));
  service_families_complete(spec, old, &both, errors);
  g_assert_cmpuint(json_array_size(json_object_get(spec, "ipFamilies")), ==, 2);
  g_assert_true(json_equal(old, before));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *name = g_strdup_printf("/service-families/%s", rows[i].name);
    g_test_add_data_func(name, GSIZE_TO_POINTER(i), test_row);
  }
  g_test_add_func("/service-families/shared", test_shared);
  return g_test_run();
}
