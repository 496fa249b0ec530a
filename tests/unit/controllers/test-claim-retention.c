/* Who owns the claims of a stateful set's pods. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/yaml.h"
#include "clusterd/controllers/workloads/claim_retention.h"

static json_t *parse(const char *yaml)
{
  g_autoptr(GError) error = NULL;
  json_t *value = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  return value;
}

#define SET_REF "{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: s, controller: true, blockOwnerDeletion: true}"
#define POD_REF "{apiVersion: v1, kind: Pod, name: db-1, uid: p, controller: true, blockOwnerDeletion: true}"
#define OTHER_SET "{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: earlier, controller: true}"
#define OTHER_POD "{apiVersion: v1, kind: Pod, name: db-1, uid: earlier, controller: true}"
#define STRANGER "{apiVersion: example.com/v1, kind: Backup, name: b, uid: b, controller: true}"
#define FRIEND "{apiVersion: v1, kind: ConfigMap, name: f, uid: f}"

static const struct {
  const char *scaled, *deleted;
  bool surplus;
  const char *known, *wanted; /* NULL: stays */
} cases[] = {
  { "Retain", "Retain", false, "[]", NULL },
  { "Retain", "Retain", true, "[]", NULL },
  { "Retain", "Retain", false, "[" SET_REF "]", "[]" },
  { "Retain", "Retain", true, "[" POD_REF ", " FRIEND "]", "[" FRIEND "]" },
  { "Retain", "Delete", false, "[]", "[" SET_REF "]" },
  { "Retain", "Delete", true, "[]", "[" SET_REF "]" },
  { "Retain", "Delete", true, "[" POD_REF "]", "[" SET_REF "]" },
  { "Retain", "Delete", false, "[" SET_REF "]", NULL },
  { "Delete", "Retain", false, "[]", NULL },
  { "Delete", "Retain", true, "[]", "[" POD_REF "]" },
  { "Delete", "Retain", false, "[" POD_REF "]", "[]" },
  { "Delete", "Retain", false, "[" SET_REF "]", "[]" },
  { "Delete", "Delete", false, "[]", "[" SET_REF "]" },
  { "Delete", "Delete", true, "[" SET_REF "]", "[" POD_REF "]" },
  { "Delete", "Delete", false, "[" POD_REF "]", "[" SET_REF "]" },
  { "Delete", "Delete", true, "[" FRIEND "]", "[" FRIEND ", " POD_REF "]" },
  /* In other hands. */
  { "Delete", "Delete", false, "[" OTHER_SET "]", NULL },
  { "Delete", "Delete", true, "[" OTHER_POD "]", NULL },
  { "Delete", "Delete", true, "[" STRANGER "]", NULL },
  { "Delete", "Delete", false, "[" STRANGER ", " SET_REF "]", "[" STRANGER "]" },
};

static void test_owners(void)
{
  g_autoptr(json_t) pod = parse("{apiVersion: v1, kind: Pod, metadata: {name: db-1, uid: p}}");
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_test_message("case %zu", i);
    g_autofree char *set_yaml =
        g_strdup_printf("{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, uid: s}, "
                        "spec: {persistentVolumeClaimRetentionPolicy: {whenScaled: %s, "
                        "whenDeleted: %s}}}",
                        cases[i].scaled, cases[i].deleted);
    g_autofree char *claim_yaml = g_strdup_printf("{metadata: {ownerReferences: %s}}", cases[i].known);
    g_autoptr(json_t) set = parse(set_yaml), claim = parse(claim_yaml);
    g_autoptr(json_t) wanted = cases[i].wanted ? parse(cases[i].wanted) : NULL;
    g_autoptr(json_t) owners = claim_retention_owners(claim, set, pod, cases[i].surplus);
    g_assert_true(json_same(owners, wanted));
  }
  g_autoptr(json_t) bare = parse("{metadata: {}}"), set = parse("{metadata: {name: db, uid: s}, spec: {}}");
  g_assert_null(claim_retention_owners(bare, set, pod, true));
}

static void test_stale(void)
{
  g_autoptr(json_t) retain = parse("{metadata: {name: db}, spec: {persistentVolumeClaimRetentionPolicy: {whenDeleted: "
                                   "Delete}}}"),
                    delete = parse("{metadata: {name: db}, spec: {persistentVolumeClaimRetentionPolicy: {whenScaled: "
                                   "Delete}}}");
  g_autoptr(json_t) of_pod = parse("{metadata: {ownerReferences: [" OTHER_POD "]}}"), free = parse("{metadata: {}}");
  g_assert_true(claim_retention_is_stale(of_pod, delete, "db-1"));
  g_assert_false(claim_retention_is_stale(of_pod, delete, "db-2"));
  g_assert_false(claim_retention_is_stale(of_pod, retain, "db-1"));
  g_assert_false(claim_retention_is_stale(free, delete, "db-1"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/claim-retention/owners", test_owners);
  g_test_add_func("/claim-retention/stale", test_stale);
  return g_test_run();
}
