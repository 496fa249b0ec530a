/* NodeRestriction: what a node may write and what not, in upstream's words. */
#include "admission.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/admission/admission.h"

#define LEASE "leases.v1.coordination.k8s.io"
#define CSI_NODE "csinodes.v1.storage.k8s.io"
#define POD(name, node)                                                                                                \
  "{'metadata':{'name':'" name "'},'spec':{'nodeName':'" node "','containers':[{'name':'c','image':'i'}]}}"
#define CLAIM                                                                                                          \
  "{'metadata':{'name':'c'},'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1Gi'}}}}"

static Identity *node, *other, *nameless, *user;

/* What everybody else has made: two nodes with a pod each. */
static void set_up(AdmissionFixture *fixture, gconstpointer data)
{
  admission_set_up(fixture, data);
  g_autoptr(GError) error = NULL;
  const char *const none[] = { "ServiceAccount", NULL };
  g_assert_true(registry_choose_admission(fixture->registry, NULL, none, &error));
  admission_must_create(fixture, "nodes",
                        "{'metadata':{'name':'n1','labels':{'node-restriction.kubernetes.io/a':'b'}}}");
  admission_must_create(fixture, "nodes", "{'metadata':{'name':'n2'}}");
  admission_must_create(fixture, "pods", POD("mine", "n1"));
  admission_must_create(fixture, "pods", POD("others", "n2"));
  admission_must_create(fixture, "persistentvolumeclaims", CLAIM);
  admission_must_create(fixture, "namespaces", "{'metadata':{'name':'kube-node-lease'}}");
  fixture->identity = node;
}

/* Merges PATCH into NAME: MESSAGE NULL must succeed, else it is refused with that. */
static void expect_update(AdmissionFixture *fixture, const char *resource, const char *subresource, const char *name,
                          const char *patch, const char *message)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) stored = admission_update(fixture, resource, NULL, subresource, name, patch, &error);
  g_assert_cmpstr(error ? error->message : NULL, ==, message);
}

static void expect_delete(AdmissionFixture *fixture, const char *resource, const char *name, const char *message)
{
  g_autoptr(GError) error = NULL;
  admission_delete(fixture, resource, NULL, name, &error);
  g_assert_cmpstr(error ? error->message : NULL, ==, message);
}

static void test_node(AdmissionFixture *fixture, gconstpointer data)
{
  static const struct {
    const char *patch, *message;
  } cases[] = {
    { "{'metadata':{'labels':{'mine':'1','example.com/x':'y','kubernetes.io/hostname':'n1','kubernetes.io/os':'linux',"
      "'topology.kubernetes.io/zone':'z','kubelet.kubernetes.io/a':'b','node.kubernetes.io/c':'d',"
      "'x.node.kubernetes.io/e':'f'},'annotations':{'kubernetes.io/a':'b'}}}",
      NULL },
    { "{'metadata':{'labels':{'node-restriction.kubernetes.io/a':'c'}}}",
      "nodes \"n1\" is forbidden: is not allowed to modify labels: node-restriction.kubernetes.io/a" },
    { "{'metadata':{'labels':{'node-restriction.kubernetes.io/a':null}}}",
      "nodes \"n1\" is forbidden: is not allowed to modify labels: node-restriction.kubernetes.io/a" },
    { "{'metadata':{'labels':{'x.node-restriction.kubernetes.io/z':'c','k8s.io/b':'','a.k8s.io/b':'','mine':'2'}}}",
      "nodes \"n1\" is forbidden: is not allowed to modify labels: a.k8s.io/b, k8s.io/b, "
      "x.node-restriction.kubernetes.io/z" },
    { "{'metadata':{'labels':{'node-role.kubernetes.io/control-plane':''}}}",
      "nodes \"n1\" is forbidden: is not allowed to modify labels: node-role.kubernetes.io/control-plane" },
    { "{'spec':{'taints':[{'key':'a','effect':'NoSchedule'}]}}",
      "nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify taints" },
    { "{'spec':{'unschedulable':true}}", NULL },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    expect_update(fixture, "nodes", NULL, "n1", cases[i].patch, cases[i].message);
  expect_update(fixture, "nodes", "status", "n1", "{'status':{'capacity':{'cpu':'1'}}}", NULL);
  expect_update(fixture, "nodes", "status", "n2", "{'status':{'capacity':{'cpu':'1'}}}",
                "nodes \"n2\" is forbidden: node \"n1\" is not allowed to modify node \"n2\"");
  expect_update(fixture, "nodes", NULL, "n2", "{'metadata':{'labels':{'a':'b'}}}",
                "nodes \"n2\" is forbidden: node \"n1\" is not allowed to modify node \"n2\"");
  expect_delete(fixture, "nodes", "n2", "nodes \"n2\" is forbidden: node \"n1\" is not allowed to modify node \"n2\"");
  expect_delete(fixture, "nodes", "n1", NULL);
  admission_must_refuse(fixture, "nodes", "{'metadata':{'name':'n3'}}",
                        "nodes \"n3\" is forbidden: node \"n1\" is not allowed to modify node \"n3\"");
  admission_must_refuse(fixture, "nodes",
                        "{'metadata':{'name':'n1','labels':{'node-role.kubernetes.io/x':'','b.kubernetes.io/y':''}}}",
                        "nodes \"n1\" is forbidden: node \"n1\" is not allowed to set the following labels: "
                        "b.kubernetes.io/y, node-role.kubernetes.io/x");
  admission_must_create(
      fixture, "nodes",
      "{'metadata':{'name':'n1','labels':{'kubernetes.io/arch':'amd64'}},'spec':{'taints':[{'key':'a',"
      "'effect':'NoSchedule'}]}}");
}

static void test_pods(AdmissionFixture *fixture, gconstpointer data)
{
  expect_update(fixture, "pods", "status", "mine", "{'status':{'phase':'Running'}}", NULL);
  expect_update(fixture, "pods", "status", "mine", "{'metadata':{'labels':{'a':'b'}}}",
                "pods \"mine\" is forbidden: node \"n1\" cannot update labels through pod status");
  expect_update(fixture, "pods", "status", "mine", "{'status':{'resourceClaimStatuses':[{'name':'x'}]}}",
                "pods \"mine\" is forbidden: node \"n1\" cannot update resource claim statues");
  expect_update(
      fixture, "pods", "status", "others", "{'status':{'phase':'Running'}}",
      "pods \"others\" is forbidden: node \"n1\" can only update pod status for pods with spec.nodeName set to "
      "itself");
  expect_update(fixture, "pods", NULL, "mine", "{'metadata':{'labels':{'a':'b'}}}",
                "pods \"mine\" is forbidden: unexpected operation \"UPDATE\", node \"n1\" can only create and delete "
                "mirror pods");
  expect_update(fixture, "pods", "ephemeralcontainers", "mine",
                "{'spec':{'ephemeralContainers':[{'name':'e','image':'i'}]}}",
                "pods \"mine\" is forbidden: unexpected pod subresource \"ephemeralcontainers\", only 'status' and "
                "'eviction' are allowed");
  expect_delete(fixture, "pods", "others",
                "pods \"others\" is forbidden: node \"n1\" can only delete pods with spec.nodeName set to itself");
  expect_delete(fixture, "pods", "mine", NULL);
}

static char *with_uid(AdmissionFixture *fixture, const char *text)
{
  g_autoptr(Object) self = admission_get(fixture, "nodes", NULL, "n1");
  g_auto(GStrv) parts = g_strsplit(text, "@", -1);
  return g_strjoinv(object_uid(self), parts);
}

#define MIRROR_META "'metadata':{'name':'m','annotations':{'kubernetes.io/config.mirror':'x'}"
#define OWNER(members) "'ownerReferences':[{'apiVersion':'v1','kind':'Node','name':'n1','uid':'@'" members "}]"
#define MIRROR_POD(spec)                                                                                               \
  "{" MIRROR_META "," OWNER(",'controller':true") "},'spec':{'nodeName':'n1',"                                         \
                                                  "'containers':[{'name':'c','image':'i'" spec "}}"

static void test_mirror_pods(AdmissionFixture *fixture, gconstpointer data)
{
#define PLAIN "'spec':{'nodeName':'n1','containers':[{'name':'c','image':'i'}]}}"
  static const struct {
    const char *pod, *why;
  } cases[] = {
    { "{'metadata':{'name':'m'}," PLAIN,
      "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n1\" can only create mirror pods" },
    { "{" MIRROR_META "},'spec':{'nodeName':'n2','containers':[{'name':'c','image':'i'}]}}",
      "node \"n1\" can only create pods with spec.nodeName set to itself" },
    { "{" MIRROR_META "}," PLAIN, "node \"n1\" can only create pods with an owner reference set to itself" },
    { "{" MIRROR_META ",'ownerReferences':[{'apiVersion':'v1','kind':'Node','name':'n1','uid':'@','controller':true},"
      "{'apiVersion':'v1','kind':'Node','name':'n2','uid':'u'}]}," PLAIN,
      "node \"n1\" can only create pods with a single owner reference set to itself" },
    { "{" MIRROR_META ",'ownerReferences':[{'apiVersion':'v1','kind':'Pod','name':'n1','uid':'@'}]}," PLAIN,
      "node \"n1\" can only create pods with an owner reference set to itself" },
    { "{" MIRROR_META "," OWNER("") "}," PLAIN,
      "node \"n1\" can only create pods with a controller owner reference set to itself" },
    { "{" MIRROR_META "," OWNER(",'controller':true,'blockOwnerDeletion':true") "}," PLAIN,
      "node \"n1\" must not set blockOwnerDeletion on an owner reference" },
    { "{" MIRROR_META
      ",'ownerReferences':[{'apiVersion':'v1','kind':'Node','name':'n1','uid':'u','controller':true}]}," PLAIN,
      "node n1 UID mismatch: expected u got @" },
    { MIRROR_POD("}],'serviceAccountName':'a'"), "node \"n1\" can not create pods that reference a service account" },
    { MIRROR_POD("}],'volumes':[{'name':'v','secret':{'secretName':'s'}}]"),
      "node \"n1\" can not create pods that reference secrets" },
    { MIRROR_POD(",'envFrom':[{'secretRef':{'name':'s'}}]}]"),
      "node \"n1\" can not create pods that reference secrets" },
    { MIRROR_POD("}],'imagePullSecrets':[{'name':'s'}]"), "node \"n1\" can not create pods that reference secrets" },
    { MIRROR_POD(",'env':[{'name':'A','valueFrom':{'configMapKeyRef':{'name':'m','key':'k'}}}]}]"),
      "node \"n1\" can not create pods that reference configmaps" },
    { MIRROR_POD("}],'volumes':[{'name':'v','persistentVolumeClaim':{'claimName':'c'}}]"),
      "node \"n1\" can not create pods that reference persistentvolumeclaims" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *pod = with_uid(fixture, cases[i].pod), *why = with_uid(fixture, cases[i].why);
    g_autofree char *message = g_strdup_printf("pods \"m\" is forbidden: %s", why);
    admission_must_refuse(fixture, "pods", pod, message);
  }
  g_autofree char *pod = with_uid(fixture, MIRROR_POD("}],'volumes':[{'name':'v','hostPath':{'path':'/x'}}]"));
  admission_must_create(fixture, "pods", pod);
}

static void expect_body(AdmissionFixture *fixture, const char *plural, const char *name, const char *subresource,
                        const char *text, const char *message)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *filled = with_uid(fixture, text);
  g_autoptr(json_t) body = admission_json(filled);
  Target target = { api_scheme_resource(fixture->scheme, "", "v1", plural), "default", name, subresource };
  Caller caller = { .identity = fixture->identity };
  admission_admit_body(fixture->registry, &caller, &target, ADMISSION_CREATE, body, &error);
  g_assert_cmpstr(error ? error->message : NULL, ==, message);
}

static void test_evictions(AdmissionFixture *fixture, gconstpointer data)
{
  expect_body(fixture, "pods", "mine", "eviction", "{'metadata':{'name':'mine'}}", NULL);
  expect_body(fixture, "pods", "others", "eviction", "{'metadata':{'name':'others'}}",
              "pods \"others\" is forbidden: node n1 can only evict pods with spec.nodeName set to itself");
  expect_body(fixture, "pods", "none", "eviction", "{'metadata':{'name':'none'}}", "pods \"none\" not found");
  expect_body(fixture, "pods", "mine", "binding", "{'metadata':{'name':'mine'},'target':{'name':'n1'}}",
              "pods \"mine\" is forbidden: unexpected pod subresource \"binding\", only 'status' and 'eviction' are "
              "allowed");
}

static void expect_token(AdmissionFixture *fixture, const char *bound, const char *why)
{
  g_autofree char *text = g_strdup_printf("{'spec':{%s}}", bound);
  g_autofree char *message = why ? g_strdup_printf("serviceaccounts \"a\" is forbidden: %s", why) : NULL;
  expect_body(fixture, "serviceaccounts", "a", "token", text, message);
}

static void test_tokens(AdmissionFixture *fixture, gconstpointer data)
{
  g_autoptr(Object) mine = admission_get(fixture, "pods", NULL, "mine"),
                    others = admission_get(fixture, "pods", NULL, "others");
#define BOUND "'boundObjectRef':{'apiVersion':'v1','kind':'Pod','name':'%s','uid':'%s'}"
  g_autofree char *good = g_strdup_printf(BOUND, "mine", object_uid(mine));
  g_autofree char *elsewhere = g_strdup_printf(BOUND, "others", object_uid(others));
  expect_token(fixture, good, NULL);
  expect_token(fixture, "'audiences':[]", "node requested token not bound to a pod");
  expect_token(fixture, "'boundObjectRef':{'apiVersion':'v1','kind':'Secret','name':'s','uid':'u'}",
               "node requested token not bound to a pod");
  expect_token(fixture, "'boundObjectRef':{'apiVersion':'v1','kind':'Node','name':'n1','uid':'@'}",
               "node requested token not bound to a pod");
  expect_token(fixture, "'boundObjectRef':{'apiVersion':'v1','kind':'Pod','name':'mine'}",
               "node requested token with a pod binding without a uid");
  expect_token(fixture, "'boundObjectRef':{'apiVersion':'v1','kind':'Pod','name':'mine','uid':'u'}",
               "the UID in the bound object reference (u) does not match the UID in record. The object might have been "
               "deleted and then recreated");
  expect_token(fixture, elsewhere, "node requested token bound to a pod scheduled on a different node");
  expect_body(fixture, "serviceaccounts", "a", "token",
              "{'spec':{'boundObjectRef':{'apiVersion':'v1','kind':'Pod','name':'none','uid':'u'}}}",
              "pods \"none\" not found");
}

static void test_claims(AdmissionFixture *fixture, gconstpointer data)
{
  expect_update(fixture, "persistentvolumeclaims", "status", "c",
                "{'status':{'capacity':{'storage':'2Gi'},'conditions':[{'type':'Resizing','status':'True'}]}}", NULL);
  expect_update(fixture, "persistentvolumeclaims", "status", "c", "{'status':{'phase':'Lost'}}",
                "persistentvolumeclaims \"c\" is forbidden: node \"n1\" is not allowed to update fields other than "
                "status.capacity and status.conditions");
  expect_update(fixture, "persistentvolumeclaims", NULL, "c", "{'metadata':{'labels':{'a':'b'}}}",
                "persistentvolumeclaims \"c\" is forbidden: may only update PVC status");
}

static void expect_create(AdmissionFixture *fixture, const char *resource, const char *namespace_, const char *text,
                          const char *message)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) made = admission_create(fixture, resource, namespace_, text, &error);
  g_assert_cmpstr(error ? error->message : NULL, ==, message);
}

static void test_leases(AdmissionFixture *fixture, gconstpointer data)
{
  expect_create(fixture, LEASE, "kube-node-lease", "{'metadata':{'name':'n1'}}", NULL);
  expect_create(fixture, LEASE, "kube-node-lease", "{'metadata':{'name':'n2'}}",
                "leases.coordination.k8s.io \"n2\" is forbidden: can only access node lease with the same name as the "
                "requesting node");
  expect_create(
      fixture, LEASE, "default", "{'metadata':{'name':'n1'}}",
      "leases.coordination.k8s.io \"n1\" is forbidden: can only access leases in the \"kube-node-lease\" system "
      "namespace");
  expect_create(fixture, CSI_NODE, NULL, "{'metadata':{'name':'n1'},'spec':{'drivers':[]}}", NULL);
  expect_create(fixture, CSI_NODE, NULL, "{'metadata':{'name':'n2'},'spec':{'drivers':[]}}",
                "csinodes.storage.k8s.io \"n2\" is forbidden: can only access CSINode with the same name as the "
                "requesting node");
  fixture->identity = other;
  expect_delete(fixture, CSI_NODE, "n1",
                "csinodes.storage.k8s.io \"n1\" is forbidden: can only access CSINode with the same name as the "
                "requesting node");
}

/* Nobody else is restricted; who says it is a node and not which one may not write at all; the plugin can go. */
static void test_who(AdmissionFixture *fixture, gconstpointer data)
{
  static const char label[] = "{'metadata':{'labels':{'node-role.kubernetes.io/a':''}}}";
  fixture->identity = nameless;
  expect_update(fixture, "nodes", NULL, "n1", label,
                "nodes \"n1\" is forbidden: could not determine node from user \"system:node:\"");
  expect_create(fixture, "configmaps", NULL, "{'metadata':{'name':'m'}}", NULL);
  fixture->identity = user;
  expect_update(fixture, "nodes", NULL, "n1", label, NULL);
  expect_update(fixture, "pods", NULL, "others", "{'metadata':{'labels':{'a':'b'}}}", NULL);
  fixture->identity = other;
  const char *const none[] = { "NodeRestriction", NULL };
  g_assert_true(registry_choose_admission(fixture->registry, NULL, none, NULL));
  expect_update(fixture, "nodes", NULL, "n1", "{'metadata':{'labels':{'node-role.kubernetes.io/a':'x'}}}", NULL);
}

int main(int argc, char **argv)
{
  static const char *const nodes[] = { "system:nodes", "system:authenticated", NULL }, *const no_groups[] = { NULL };
  g_test_init(&argc, &argv, NULL);
  node = identity_new("system:node:n1", NULL, nodes);
  other = identity_new("system:node:n2", NULL, nodes);
  nameless = identity_new("system:node:", NULL, nodes);
  user = identity_new("system:node:n2", NULL, no_groups); /* a name alone makes no node */
#define TEST(name)                                                                                                     \
  g_test_add("/admission/nodes/" #name, AdmissionFixture, NULL, set_up, test_##name, admission_tear_down)
  TEST(node);
  TEST(pods);
  TEST(mirror_pods);
  TEST(evictions);
  TEST(tokens);
  TEST(claims);
  TEST(leases);
  TEST(who);
  int result = g_test_run();
  identity_free(node);
  identity_free(other);
  identity_free(nameless);
  identity_free(user);
  return result;
}
