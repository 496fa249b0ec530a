/* What a pod may ask of its node's kernel, and what the node cannot do for it. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/yaml.h"
#include "clusterd/node/pod/apparmor.h"
#include "clusterd/node/sandbox/sysctls.h"

static json_t *pod_of(const char *spec)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *text = g_strdup_printf("{metadata: {name: p, annotations: {%s: localhost/x}}, spec: %s}",
                                          "container.apparmor.security.beta.kubernetes.io/annotated", spec);
  json_t *pod = yaml_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  return pod;
}

#define SYSCTL(name) "securityContext: {sysctls: [{name: " name ", value: '1'}]}"
#define FORBIDDEN "forbidden sysctl: "

static void test_refusal(void)
{
  static const struct {
    const char *spec, *refusal;
  } rows[] = {
    { "{}", NULL },
    { "{" SYSCTL("net.ipv4.tcp_syncookies") "}", NULL },
    { "{" SYSCTL("net/ipv4/tcp_syncookies") "}", NULL },
    { "{" SYSCTL("net.ipv4.tcp_rmem") "}", NULL },
    { "{" SYSCTL("kernel.shm_rmid_forced") "}", NULL },
    { "{" SYSCTL("kernel.msgmax") "}", NULL },          /* kernel.msg* is allowed below */
    { "{" SYSCTL("net.ipv4.conf.eth0/1.x") "}", NULL }, /* so is this one */
    { "{" SYSCTL("net/ipv4/conf/eth0.1/x") "}", NULL },
    { "{" SYSCTL("net.core.somaxconn") "}", FORBIDDEN "\"net.core.somaxconn\" not allowlisted" },
    { "{" SYSCTL("net/core/somaxconn") "}", FORBIDDEN "\"net.core.somaxconn\" not allowlisted" },
    { "{" SYSCTL("kernel.shmmax") "}", FORBIDDEN "\"kernel.shmmax\" not allowlisted" },
    { "{" SYSCTL("vm.swappiness") "}",
      FORBIDDEN "\"vm.swappiness\" not allowlisted" }, /* the whole node's, whoever allows it */
    { "{hostNetwork: true, " SYSCTL("net.ipv4.tcp_syncookies") "}",
      FORBIDDEN "\"net.ipv4.tcp_syncookies\" not allowed with host Net enabled" },
    { "{hostIPC: true, " SYSCTL("net.ipv4.tcp_syncookies") "}", NULL },
    { "{hostIPC: true, " SYSCTL("kernel.msgmax") "}", FORBIDDEN "\"kernel.msgmax\" not allowed with host IPC enabled" },
  };
  static const char *const allowed[] = { "kernel.msg*", "net/ipv4/conf/eth0.1/*", "vm.swappiness", NULL };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(json_t) pod = pod_of(rows[i].spec);
    g_autofree char *refusal = sysctls_refusal(pod, allowed);
    g_assert_cmpstr(refusal, ==, rows[i].refusal);
  }
  g_autoptr(json_t) pod = pod_of("{" SYSCTL("kernel.msgmax") "}");
  g_autofree char *refusal = sysctls_refusal(pod, NULL);
  g_assert_cmpstr(refusal, ==, FORBIDDEN "\"kernel.msgmax\" not allowlisted");
}

static void test_patterns(void)
{
  static const struct {
    const char *pattern, *problem; /* PROBLEM: its beginning */
  } rows[] = { { "kernel.msg*", NULL },
               { "net.*", NULL },
               { "net.core.somaxconn", NULL },
               { "net/core/somaxconn", NULL },
               { "kernel.sem", NULL },
               { "vm.swappiness", "the sysctl \"vm.swappiness\" are not known to be namespaced" },
               { "kernel.*", "the sysctl \"kernel.*\" are not known to be namespaced" },
               { "*", "the sysctl \"*\" are not known to be namespaced" },
               { "net.*.x", "sysctl \"net.*.x\" must have at most 253 characters and match regex " },
               { "Net.core", "sysctl \"Net.core\" must have at most 253 characters and match regex " },
               { "net..core", "sysctl \"net..core\" must have at most 253 characters and match regex " } };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *problem = sysctls_pattern_problem(rows[i].pattern);
    g_assert_true(problem ? rows[i].problem && g_str_has_prefix(problem, rows[i].problem) : !rows[i].problem);
  }
}

static void test_apparmor(void)
{
  static const struct {
    const char *spec;
    bool wanted;
  } rows[] = {
    { "{containers: [{name: c}]}", false },
    { "{containers: [{name: annotated}]}", true },
    { "{containers: [{name: annotated, securityContext: {appArmorProfile: {type: Unconfined}}}]}", false },
    { "{containers: [{name: c, securityContext: {appArmorProfile: {type: Unconfined}}}]}", false },
    { "{containers: [{name: c}, {name: d, securityContext: {appArmorProfile: {type: RuntimeDefault}}}]}", true },
    { "{initContainers: [{name: c, securityContext: {appArmorProfile: {type: Localhost, localhostProfile: x}}}]}",
      true },
    { "{securityContext: {appArmorProfile: {type: RuntimeDefault}}, containers: [{name: c}]}", true },
    { "{securityContext: {appArmorProfile: {type: RuntimeDefault}}, containers: [{name: c, securityContext: "
      "{appArmorProfile: {type: Unconfined}}}]}",
      false },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(json_t) pod = pod_of(rows[i].spec);
    g_assert_cmpint(apparmor_is_wanted(pod), ==, rows[i].wanted);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/sysctls/refusal", test_refusal);
  g_test_add_func("/sysctls/patterns", test_patterns);
  g_test_add_func("/sysctls/apparmor", test_apparmor);
  return g_test_run();
}
