/* Which admission plugins run, and that every one can be switched. */
#include "admission.h"
#include "base/reason.h"
#include "clusterd/server/admission/admission.h"

static void refuses(AdmissionFixture *fixture, const char *const *enable, const char *const *disable,
                    const char *message)
{
  g_autoptr(GError) error = NULL;
  g_assert_false(registry_choose_admission(fixture->registry, enable, disable, &error));
  g_assert_true(reason_is(error, REASON_CONFIG));
  g_assert_cmpstr(error->message, ==, message);
}

static void chooses(AdmissionFixture *fixture, const char *const *enable, const char *const *disable)
{
  g_autoptr(GError) error = NULL;
  g_assert_true(registry_choose_admission(fixture->registry, enable, disable, &error));
  g_assert_no_error(error);
}

static void test_names(AdmissionFixture *fixture, gconstpointer data)
{
  static const char *const unknown[] = { "Nope", NULL };
  static const char *const several[] = { "Nope", "nsl", NULL };
  static const char *const known[] = { "ServiceAccount", "Priority", NULL };
  refuses(fixture, unknown, NULL, "enable-admission-plugins plugin \"Nope\" is unknown");
  refuses(fixture, NULL, unknown, "disable-admission-plugins plugin \"Nope\" is unknown");
  refuses(
      fixture, NULL, several,
      "[disable-admission-plugins plugin \"Nope\" is unknown, disable-admission-plugins plugin \"nsl\" is unknown]");
  refuses(fixture, known, known,
          "[Priority ServiceAccount] in enable-admission-plugins and disable-admission-plugins overlapped");
  chooses(fixture, known, NULL);
}

static void test_switch(AdmissionFixture *fixture, gconstpointer data)
{
  static const char *const account[] = { "ServiceAccount", NULL };
  static const char *const deny[] = { "AlwaysDeny", NULL };
  static const char pod[] = "{'metadata':{'generateName':'p-'},"
                            "'spec':{'serviceAccountName':'nobody','containers':[{'name':'c','image':'i'}]}}";
  g_autoptr(GError) error = NULL;
  g_assert_null(admission_create(fixture, "pods", NULL, pod, &error));
  g_assert_true(reason_is(error, REASON_FORBIDDEN));
  chooses(fixture, NULL, account);
  admission_must_create(fixture, "pods", pod);
  /* a list replaces the one before */
  chooses(fixture, deny, NULL);
  admission_must_refuse(fixture, "configmaps", "{'metadata':{'name':'m'}}",
                        "configmaps \"m\" is forbidden: admission control is denying all modifications");
}

/* Upstream's order: what judges comes behind what changes, quota behind everything. */
static void test_order(void)
{
  static const char *const order[] = { "NamespaceLifecycle",
                                       "LimitRanger",
                                       "ServiceAccount",
                                       "NodeRestriction",
                                       "TaintNodesByCondition",
                                       "PodSecurity",
                                       "Priority",
                                       "DefaultTolerationSeconds",
                                       "DefaultStorageClass",
                                       "StorageObjectInUseProtection",
                                       "PersistentVolumeClaimResize",
                                       "RuntimeClass",
                                       "CertificateApproval",
                                       "CertificateSigning",
                                       "CertificateSubjectRestriction",
                                       "DefaultIngressClass",
                                       "MutatingAdmissionWebhook",
                                       "ValidatingAdmissionWebhook",
                                       "ResourceQuota" };
  gsize n_rows, next = 0;
  const AdmissionRow *rows = admission_rows(&n_rows);
  for (gsize i = 0; i < n_rows && next < G_N_ELEMENTS(order); i++) {
    if (!g_str_equal(rows[i].name, order[next]))
      continue;
    g_assert_true(rows[i].enabled);
    g_assert_nonnull(rows[i].plugin);
    next++;
  }
  g_assert_cmpuint(next, ==, G_N_ELEMENTS(order));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add("/admission/plugins/names", AdmissionFixture, NULL, admission_set_up, test_names, admission_tear_down);
  g_test_add("/admission/plugins/switch", AdmissionFixture, NULL, admission_set_up, test_switch, admission_tear_down);
  g_test_add_func("/admission/plugins/order", test_order);
  return g_test_run();
}
