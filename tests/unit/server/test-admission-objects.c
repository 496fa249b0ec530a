/* Admission of what is no pod: classes, claims, nodes, certificate requests, services, namespaces. */
#include "admission.h"
#include "base/json.h"
#include "base/reason.h"
#include "certificate-requests.h"

static Object *create(AdmissionFixture *fixture, const char *resource, const char *text)
{
  g_autoptr(GError) error = NULL;
  Object *made = admission_create(fixture, resource, NULL, text, &error);
  g_assert_no_error(error);
  return made;
}

static void enable(AdmissionFixture *fixture, const char *plugin)
{
  const char *const list[] = { plugin, NULL };
  g_autoptr(GError) error = NULL;
  g_assert_true(registry_choose_admission(fixture->registry, list, NULL, &error));
  g_assert_no_error(error);
}

static const char *spec_text(const Object *object, const char *member)
{
  return json_str(json_object_get(object_json((Object *)(uintptr_t)object), "spec"), member, NULL);
}

/* --- classes -------------------------------------------------------------------------------------------------------
 */

#define CLASS(name, members) "{'metadata':{'name':'" name "'," members "},'provisioner':'p'}"
#define DEFAULT "'annotations':{'storageclass.kubernetes.io/is-default-class':'true'}"
#define CLAIM(name, members)                                                                                           \
  "{'metadata':{'name':'" name "'},'spec':{" members                                                                   \
  "'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1Gi'}}}}"

static void test_storage_class(AdmissionFixture *fixture, gconstpointer data)
{
  g_autoptr(Object) none = create(fixture, "persistentvolumeclaims", CLAIM("none", ""));
  g_assert_cmpstr(spec_text(none, "storageClassName"), ==, NULL);
  admission_must_create(fixture, "storageclasses.v1.storage.k8s.io", CLASS("slow", "'labels':{}"));
  admission_must_create(fixture, "storageclasses.v1.storage.k8s.io",
                        CLASS("beta", "'annotations':{'storageclass.beta.kubernetes.io/is-default-class':'true'}"));
  g_autoptr(Object) beta = create(fixture, "persistentvolumeclaims", CLAIM("b", ""));
  g_assert_cmpstr(spec_text(beta, "storageClassName"), ==, "beta");
  /* of the same second: the first by name */
  admission_must_create(fixture, "storageclasses.v1.storage.k8s.io", CLASS("a-new", DEFAULT));
  g_autoptr(Object) claim = create(fixture, "persistentvolumeclaims", CLAIM("c", ""));
  g_assert_cmpstr(spec_text(claim, "storageClassName"), ==, "a-new");
  g_autoptr(Object) empty = create(fixture, "persistentvolumeclaims", CLAIM("d", "'storageClassName':'',"));
  g_assert_cmpstr(spec_text(empty, "storageClassName"), ==, "");
}

static void test_ingress_class(AdmissionFixture *fixture, gconstpointer data)
{
  static const char text[] = "{'metadata':{'generateName':'i-'},'spec':{'defaultBackend':{'service':{'name':'s',"
                             "'port':{'number':80}}}}}";
  g_autoptr(Object) before = create(fixture, "ingresses.v1.networking.k8s.io", text);
  g_assert_cmpstr(spec_text(before, "ingressClassName"), ==, NULL);
  admission_must_create(
      fixture, "ingressclasses.v1.networking.k8s.io",
      "{'metadata':{'name':'door','annotations':{'ingressclass.kubernetes.io/is-default-class':'true'}},"
      "'spec':{'controller':'example.com/door'}}");
  g_autoptr(Object) after = create(fixture, "ingresses.v1.networking.k8s.io", text);
  g_assert_cmpstr(spec_text(after, "ingressClassName"), ==, "door");
}

/* --- claims --------------------------------------------------------------------------------------------------------
 */

static void test_protection(AdmissionFixture *fixture, gconstpointer data)
{
  g_autoptr(Object) claim = create(fixture, "persistentvolumeclaims", CLAIM("c", ""));
  g_autoptr(Object) volume = create(fixture, "persistentvolumes",
                                    "{'metadata':{'name':'v','finalizers':['x.io/y']},'spec':{'capacity':{'storage':"
                                    "'1Gi'},'accessModes':['ReadWriteOnce'],'hostPath':{'path':'/v'}}}");
  g_autofree char *of_claim = json_text(json_at(object_json(claim), "metadata", "finalizers", NULL));
  g_autofree char *of_volume = json_text(json_at(object_json(volume), "metadata", "finalizers", NULL));
  g_assert_cmpstr(of_claim, ==, "[\"kubernetes.io/pvc-protection\"]");
  g_assert_cmpstr(of_volume, ==, "[\"x.io/y\",\"kubernetes.io/pv-protection\"]");
  /* a claim is free to go once nobody holds it: the finalizer is not set again */
  g_autoptr(GError) error = NULL;
  g_assert_true(admission_delete(fixture, "persistentvolumeclaims", NULL, "c", &error));
  g_autoptr(Object) freed =
      admission_update(fixture, "persistentvolumeclaims", NULL, NULL, "c", "{'metadata':{'finalizers':null}}", &error);
  g_assert_no_error(error);
}

static void grow(AdmissionFixture *fixture, const char *name, const char *why)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) grown = admission_update(fixture, "persistentvolumeclaims", NULL, NULL, name,
                                             "{'spec':{'resources':{'requests':{'storage':'2Gi'}}}}", &error);
  if (!why) {
    g_assert_no_error(error);
    return;
  }
  g_autofree char *message = g_strdup_printf("persistentvolumeclaims \"%s\" is forbidden: %s", name, why);
  g_assert_null(grown);
  if (reason_is(error, REASON_INVALID))
    return; /* validation, which comes first, has its own words for it */
  g_assert_cmpstr(error->message, ==, message);
}

static void test_resize(AdmissionFixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  admission_must_create(fixture, "storageclasses.v1.storage.k8s.io",
                        "{'metadata':{'name':'wide'},'provisioner':'p','allowVolumeExpansion':true}");
  admission_must_create(fixture, "storageclasses.v1.storage.k8s.io", CLASS("narrow", "'labels':{}"));
  admission_must_create(fixture, "persistentvolumeclaims", CLAIM("w", "'storageClassName':'wide','volumeName':'v',"));
  admission_must_create(fixture, "persistentvolumeclaims", CLAIM("n", "'storageClassName':'narrow','volumeName':'v',"));
  grow(fixture, "w", "only bound persistent volume claims can be expanded");
  g_autoptr(Object) wide =
      admission_update(fixture, "persistentvolumeclaims", NULL, "status", "w", "{'status':{'phase':'Bound'}}", &error);
  g_autoptr(Object) narrow =
      admission_update(fixture, "persistentvolumeclaims", NULL, "status", "n", "{'status':{'phase':'Bound'}}", &error);
  g_assert_no_error(error);
  grow(fixture, "w", NULL);
  grow(fixture, "n",
       "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support "
       "resize");
}

/* --- others --------------------------------------------------------------------------------------------------------
 */

static void test_node(AdmissionFixture *fixture, gconstpointer data)
{
  g_autoptr(Object) node = create(fixture, "nodes", "{'metadata':{'name':'n'}}");
  g_autofree char *taints = json_text(json_at(object_json(node), "spec", "taints", NULL));
  g_assert_cmpstr(taints, ==, "[{\"key\":\"node.kubernetes.io/not-ready\",\"effect\":\"NoSchedule\"}]");
}

static void request_certificate(AdmissionFixture *fixture, const char *name, const char *request, const char *why)
{
  g_autofree char *text =
      g_strdup_printf("{'metadata':{'name':'%s'},'spec':{'signerName':'kubernetes.io/kube-apiserver-client',"
                      "'usages':['client auth'],'request':'%s'}}",
                      name, request);
  g_autofree char *message =
      g_strdup_printf("certificatesigningrequests.certificates.k8s.io \"%s\" is forbidden: %s", name, why);
  if (why)
    admission_must_refuse(fixture, "certificatesigningrequests.v1.certificates.k8s.io", text, message);
  else
    admission_must_create(fixture, "certificatesigningrequests.v1.certificates.k8s.io", text);
}

static void test_certificates(AdmissionFixture *fixture, gconstpointer data)
{
  request_certificate(fixture, "masters", REQUEST_OF_MASTERS,
                      "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed");
  request_certificate(fixture, "developer", REQUEST_OF_DEVELOPER, NULL);
}

static void test_external_ips(AdmissionFixture *fixture, gconstpointer data)
{
  admission_must_create(fixture, "services",
                        "{'metadata':{'name':'s'},'spec':{'ports':[{'port':80}],'externalIPs':['192.0.2.1']}}");
  enable(fixture, "DenyServiceExternalIPs");
  admission_must_refuse(fixture, "services",
                        "{'metadata':{'name':'t'},'spec':{'ports':[{'port':80}],'externalIPs':['192.0.2.1']}}",
                        "services \"t\" is forbidden: Use of external IPs is denied by admission control");
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) kept =
      admission_update(fixture, "services", NULL, NULL, "s", "{'metadata':{'labels':{'a':'b'}}}", &error);
  g_assert_no_error(error);
}

static void test_namespaces(AdmissionFixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) refused = admission_create(fixture, "configmaps", "new", "{'metadata':{'name':'m'}}", &error);
  g_assert_null(refused);
  g_assert_cmpstr(error->message, ==, "namespaces \"new\" not found");
  g_clear_error(&error);
  enable(fixture, "NamespaceAutoProvision");
  g_autoptr(Object) made = admission_create(fixture, "configmaps", "new", "{'metadata':{'name':'m'}}", &error);
  g_assert_no_error(error);
  g_assert_false(admission_delete(fixture, "namespaces", NULL, "default", &error));
  g_assert_cmpstr(error->message, ==, "namespaces \"default\" is forbidden: this namespace may not be deleted");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
#define TEST(name)                                                                                                     \
  g_test_add("/admission/objects/" #name, AdmissionFixture, NULL, admission_set_up, test_##name, admission_tear_down)
  TEST(storage_class);
  TEST(ingress_class);
  TEST(protection);
  TEST(resize);
  TEST(node);
  TEST(certificates);
  TEST(external_ips);
  TEST(namespaces);
  return g_test_run();
}
