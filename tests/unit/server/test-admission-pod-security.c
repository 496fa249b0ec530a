/* Pod Security: every check of the standards, what is told and to whom, and the labels. */
#include "admission.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission/pod_security.h"

/* A pod spec that breaks nothing at the level restricted. */
#define GOOD                                                                                                           \
  "'containers':[{'name':'c','image':'i','securityContext':{'allowPrivilegeEscalation':false,"                         \
  "'capabilities':{'drop':['ALL']}}}],"                                                                                \
  "'securityContext':{'runAsNonRoot':true,'seccompProfile':{'type':'RuntimeDefault'}}"

typedef struct Case {
  PodSecurityLevel level;
  int minor;
  const char *pod;      /* of a Pod: annotations and spec */
  const char *expected; /* NULL: allowed */
} Case;

#define BASELINE POD_SECURITY_BASELINE, POD_SECURITY_LATEST
#define RESTRICTED POD_SECURITY_RESTRICTED, POD_SECURITY_LATEST

static const Case cases[] = {
  { BASELINE, "{'spec':{'containers':[{'name':'c'}]}}", NULL },
  { RESTRICTED, "{'spec':{" GOOD "}}", NULL },
  { RESTRICTED, "{'spec':{'containers':[{'name':'c'}]}}",
    "allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false), "
    "unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]), "
    "runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true), "
    "seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or "
    "\"Localhost\")" },
  { BASELINE,
    "{'spec':{'hostNetwork':true,'hostIPC':true,'hostPID':true,'volumes':[{'name':'v','hostPath':{'path':'/'}}],"
    "'initContainers':[{'name':'n','ports':[{'containerPort':1,'hostPort':90},{'containerPort':2,'hostPort':8080}]}],"
    "'containers':[{'name':'c','securityContext':{'privileged':true,'procMount':'Unmasked',"
    "'capabilities':{'add':['NET_RAW','CHOWN','BPF']}},'ports':[{'containerPort':1,'hostPort':90}]}]}}",
    "non-default capabilities (container \"c\" must not include \"BPF\", \"NET_RAW\" in "
    "securityContext.capabilities.add), host namespaces (hostNetwork=true, hostPID=true, hostIPC=true), hostPath "
    "volumes (volume \"v\"), hostPort (containers \"n\", \"c\" use hostPorts 8080, 90), privileged (container \"c\" "
    "must "
    "not set securityContext.privileged=true), procMount (container \"c\" must not set securityContext.procMount to "
    "\"Unmasked\")" },
  { BASELINE,
    "{'metadata':{'annotations':{'container.apparmor.security.beta.kubernetes.io/c':'unconfined'}},"
    "'spec':{'containers':[{'name':'c'}]}}",
    "forbidden AppArmor profile (annotation must not set AppArmor profile type to "
    "\"container.apparmor.security.beta.kubernetes.io/c=\"unconfined\"\")" },
  { BASELINE,
    "{'spec':{'securityContext':{'appArmorProfile':{'type':'Unconfined'}},"
    "'containers':[{'name':'c','securityContext':{'appArmorProfile':{'type':'Unconfined'}}}]}}",
    "forbidden AppArmor profile (pod and container \"c\" must not set AppArmor profile type to \"Unconfined\")" },
  { BASELINE,
    "{'spec':{'securityContext':{'seLinuxOptions':{'type':'spc_t','user':'u'},'sysctls':[{'name':'kernel.msgmax'},"
    "{'name':'net.ipv4.tcp_rmem'}],'windowsOptions':{'hostProcess':true},'seccompProfile':{'type':'Unconfined'}},"
    "'containers':[{'name':'c','securityContext':{'seLinuxOptions':{'role':'r'}}}]}}",
    "seLinuxOptions (pod and container \"c\" set forbidden securityContext.seLinuxOptions: type \"spc_t\"; user may "
    "not "
    "be set; role may not be set), seccompProfile (pod must not set securityContext.seccompProfile.type to "
    "\"Unconfined\"), forbidden sysctls (kernel.msgmax), hostProcess (pod must not set "
    "securityContext.windowsOptions.hostProcess=true)" },
  { RESTRICTED,
    "{'spec':{'securityContext':{'runAsUser':0,'runAsNonRoot':true,'seccompProfile':{'type':'Localhost'}},"
    "'volumes':[{'name':'a','hostPath':{'path':'/'}},{'name':'b','nfs':{}},{'name':'e','emptyDir':{}}],"
    "'containers':[{'name':'c','securityContext':{'allowPrivilegeEscalation':false,'runAsNonRoot':false,"
    "'runAsUser':0,'capabilities':{'drop':['ALL'],'add':['NET_BIND_SERVICE','CHOWN']}}}]}}",
    "unrestricted capabilities (container \"c\" must not include \"CHOWN\" in securityContext.capabilities.add), "
    "restricted volume types (volumes \"a\", \"b\" use restricted volume types \"hostPath\", \"nfs\"), runAsNonRoot != "
    "true (container \"c\" must not set securityContext.runAsNonRoot=false), runAsUser=0 (pod and container \"c\" must "
    "not set runAsUser=0)" },
  /* older standards asked for less, or looked elsewhere */
  { POD_SECURITY_BASELINE, 18,
    "{'metadata':{'annotations':{'seccomp.security.alpha.kubernetes.io/pod':'unconfined'}},"
    "'spec':{'securityContext':{'seccompProfile':{'type':'Unconfined'}},'containers':[{'name':'c'}]}}",
    "seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod=\"unconfined\")" },
  { POD_SECURITY_BASELINE, 31,
    "{'spec':{'securityContext':{'sysctls':[{'name':'net.ipv4.tcp_rmem'}]},'containers':[{'name':'c'}]}}",
    "forbidden sysctls (net.ipv4.tcp_rmem)" },
  { POD_SECURITY_RESTRICTED, 7, "{'spec':{'securityContext':{'runAsNonRoot':true},'containers':[{'name':'c'}]}}",
    NULL },
  { POD_SECURITY_RESTRICTED, 21,
    "{'spec':{'securityContext':{'runAsNonRoot':true,'seccompProfile':{'type':'RuntimeDefault'}},"
    "'containers':[{'name':'c','securityContext':{'allowPrivilegeEscalation':false,'capabilities':{'add':['BPF']}}}]}}",
    "non-default capabilities (container \"c\" must not include \"BPF\" in securityContext.capabilities.add)" },
  { RESTRICTED,
    "{'spec':{'os':{'name':'windows'},'securityContext':{'runAsNonRoot':true},'containers':[{'name':'c'}]}}", NULL },
};

static void test_standards(void)
{
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(json_t) pod = admission_json(cases[i].pod);
    PodSecurityPolicy policy = { cases[i].level, cases[i].minor };
    g_autofree char *violations = pod_security_violations(policy, pod, true);
    g_assert_cmpstr(violations, ==, cases[i].expected);
  }
}

/* --- through the registry ------------------------------------------------------------------------------------------
 */

static void label(AdmissionFixture *fixture, const char *labels)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *text = g_strdup_printf("{'metadata':{'labels':{%s}}}", labels);
  g_autoptr(Object) updated = admission_update(fixture, "namespaces", NULL, NULL, "default", text, &error);
  g_assert_no_error(error);
}

static void warnings_are(AdmissionFixture *fixture, const char *expected)
{
  g_autoptr(json_t) wanted = admission_json(expected);
  g_autofree char *text = json_text(fixture->warnings);
  g_autofree char *right = json_text(wanted);
  g_assert_cmpstr(text, ==, right);
}

static void test_enforce(AdmissionFixture *fixture, gconstpointer data)
{
  label(fixture,
        "'pod-security.kubernetes.io/enforce':'baseline','pod-security.kubernetes.io/enforce-version':'v1.30'");
  admission_must_refuse(fixture, "pods",
                        "{'metadata':{'name':'p'},'spec':{'hostNetwork':true,'containers':[{'name':'c','image':'i'}]}}",
                        "pods \"p\" is forbidden: violates PodSecurity \"baseline:v1.30\": host namespaces "
                        "(hostNetwork=true)");
  admission_must_create(fixture, "pods", "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':'i'}]}}");
  label(fixture, "'pod-security.kubernetes.io/enforce':'restricted','pod-security.kubernetes.io/enforce-version':null");
  /* what is there may go on, but not with another image */
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) labelled =
      admission_update(fixture, "pods", NULL, NULL, "p", "{'metadata':{'labels':{'a':'b'}}}", &error);
  g_assert_no_error(error);
  g_autoptr(Object) changed =
      admission_update(fixture, "pods", NULL, NULL, "p", "{'spec':{'containers':[{'name':'c','image':'j'}]}}", &error);
  g_assert_null(changed);
  g_assert_true(reason_is(error, REASON_FORBIDDEN) || reason_is(error, REASON_INVALID));
  admission_must_create(fixture, "pods",
                        "{'metadata':{'name':'good'},'spec':{'containers':[{'name':'c','image':'i','securityContext':"
                        "{'allowPrivilegeEscalation':false,'capabilities':{'drop':['ALL']}}}],"
                        "'securityContext':{'runAsNonRoot':true,'seccompProfile':{'type':'RuntimeDefault'}}}}");
}

static void test_warn(AdmissionFixture *fixture, gconstpointer data)
{
  label(fixture, "'pod-security.kubernetes.io/warn':'baseline','pod-security.kubernetes.io/enforce':'baseline'");
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) deployment = admission_create(fixture, "deployments.v1.apps", NULL,
                                                  "{'metadata':{'name':'d'},'spec':{'selector':{'matchLabels':{'a':'b'}"
                                                  "},'template':{'metadata':{'labels':{'a':'b'}},"
                                                  "'spec':{'hostPID':true,'containers':[{'name':'c','image':'i'}]}}}}",
                                                  &error);
  g_assert_no_error(error);
  g_autoptr(json_t) expected =
      json_pack("[s]", "would violate PodSecurity \"baseline:latest\": host namespaces (hostPID=true)");
  g_assert_true(json_equal(fixture->warnings, expected));
  /* what is enforced is warned of as well, unless the labels say otherwise */
  label(fixture, "'pod-security.kubernetes.io/warn':null");
  g_autoptr(Object) again =
      admission_update(fixture, "deployments.v1.apps", NULL, NULL, "d", "{'spec':{'replicas':2}}", &error);
  g_assert_no_error(error);
  g_assert_true(json_equal(fixture->warnings, expected));
  label(fixture, "'pod-security.kubernetes.io/warn':'privileged'");
  g_autoptr(Object) silent =
      admission_update(fixture, "deployments.v1.apps", NULL, NULL, "d", "{'spec':{'replicas':3}}", &error);
  g_assert_no_error(error);
  warnings_are(fixture, "[]");
  /* a refusal says it all */
  g_autoptr(Object) pod = admission_create(
      fixture, "pods", NULL,
      "{'metadata':{'name':'p'},'spec':{'hostPID':true,'containers':[{'name':'c','image':'i'}]}}", &error);
  g_assert_null(pod);
  warnings_are(fixture, "[]");
}

static void test_existing(AdmissionFixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "c", "a", "b" };
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *pod = g_strdup_printf(
        "{'metadata':{'name':'%s'},'spec':{'hostPID':true,'containers':[{'name':'c','image':'i'}]}}", names[i]);
    admission_must_create(fixture, "pods", pod);
  }
  admission_must_create(fixture, "pods",
                        "{'metadata':{'name':'d'},'spec':{'hostPID':true,'containers':[{'name':'c','image':'i',"
                        "'securityContext':{'privileged':true}}]}}");
  label(fixture, "'pod-security.kubernetes.io/enforce':'baseline'");
  g_autoptr(json_t) expected =
      json_pack("[s, s, s]",
                "existing pods in namespace \"default\" violate the new PodSecurity enforce level \"baseline:latest\"",
                "a (and 2 other pods): host namespaces", "d: host namespaces, privileged");
  g_assert_true(json_equal(fixture->warnings, expected));
  /* a weaker policy is no news */
  label(fixture, "'pod-security.kubernetes.io/enforce':'privileged'");
  warnings_are(fixture, "[]");
}

static void test_labels(AdmissionFixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) made = admission_create(fixture, "namespaces", NULL,
                                            "{'metadata':{'name':'n','labels':{'pod-security.kubernetes.io/enforce':"
                                            "'strict','pod-security.kubernetes.io/warn-version':'1.20'}}}",
                                            &error);
  g_assert_null(made);
  g_assert_true(reason_is(error, REASON_INVALID));
  g_assert_cmpstr(
      error->message, ==,
      "Namespace \"n\" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "
      "\"strict\": must be one of privileged, baseline, restricted, "
      "metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: \"1.20\": must be \"latest\" "
      "or \"v1.x\"]");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/admission/pod-security/standards", test_standards);
#define TEST(name)                                                                                                     \
  g_test_add("/admission/pod-security/" #name, AdmissionFixture, NULL, admission_set_up, test_##name,                  \
             admission_tear_down)
  TEST(enforce);
  TEST(warn);
  TEST(existing);
  TEST(labels);
  return g_test_run();
}
