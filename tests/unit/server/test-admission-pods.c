/* What admission makes of a pod: its account, priority and runtime class, and the plugins that are off by default. */
#include <string.h>

#include "admission.h"
#include "base/json.h"
#include "base/reason.h"

#define CONTAINERS "'containers':[{'name':'c','image':'i'}]"
#define MOUNT_PATH "/var/run/secrets/kubernetes.io/serviceaccount"

static Object *create_pod(AdmissionFixture *fixture, const char *metadata, const char *spec)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *text = g_strdup_printf("{'metadata':{'name':'p'%s},'spec':{%s}}", metadata, spec);
  Object *pod = admission_create(fixture, "pods", NULL, text, &error);
  g_assert_no_error(error);
  return pod;
}

static void refuses(AdmissionFixture *fixture, const char *metadata, const char *spec, const char *why)
{
  g_autofree char *text = g_strdup_printf("{'metadata':{'name':'p'%s},'spec':{%s}}", metadata, spec);
  g_autofree char *message = g_strconcat("pods \"p\" is forbidden: ", why, NULL);
  admission_must_refuse(fixture, "pods", text, message);
}

static void enable(AdmissionFixture *fixture, const char *plugin)
{
  const char *const list[] = { plugin, NULL };
  g_autoptr(GError) error = NULL;
  g_assert_true(registry_choose_admission(fixture->registry, list, NULL, &error));
  g_assert_no_error(error);
}

static void is_json(const json_t *value, const char *expected)
{
  g_autoptr(json_t) wanted = admission_json(expected);
  g_autofree char *text = value ? json_text(value) : g_strdup("null");
  if (!json_equal(value, wanted))
    g_error("got %s, expected %s", text, expected);
}

static const json_t *spec_of(const Object *pod)
{
  return json_object_get(object_json((Object *)(uintptr_t)pod), "spec");
}

/* --- service accounts ----------------------------------------------------------------------------------------------
 */

static const char *mounted(const json_t *containers, size_t index)
{
  size_t i;
  json_t *mount;
  json_array_foreach (json_object_get(json_array_get(containers, index), "volumeMounts"), i, mount)
    if (strcmp(json_str(mount, "mountPath", ""), MOUNT_PATH) == 0)
      return json_str(mount, "name", "");
  return NULL;
}

static void test_account(AdmissionFixture *fixture, gconstpointer data)
{
  admission_must_create(fixture, "serviceaccounts",
                        "{'metadata':{'name':'robot'},'imagePullSecrets':[{'name':'pull'}]}");
  g_autoptr(Object) pod = create_pod(fixture, "",
                                     "'serviceAccountName':'robot'," CONTAINERS
                                     ",'initContainers':[{'name':'n','image':'i'},{'name':'m','image':'i',"
                                     "'volumeMounts':[{'name':'own','mountPath':'" MOUNT_PATH "'}]}],"
                                     "'volumes':[{'name':'own','emptyDir':{}}]");
  const json_t *spec = spec_of(pod);
  const char *volume = mounted(json_object_get(spec, "containers"), 0);
  g_assert_true(g_regex_match_simple("^kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}$", volume, 0, 0));
  g_assert_cmpstr(mounted(json_object_get(spec, "initContainers"), 0), ==, volume);
  g_assert_cmpstr(mounted(json_object_get(spec, "initContainers"), 1), ==, "own");
  g_assert_cmpuint(json_array_size(json_object_get(spec, "volumes")), ==, 2);
  is_json(json_object_get(spec, "imagePullSecrets"), "[{'name':'pull'}]");
  g_assert_cmpstr(json_str(spec, "serviceAccount", ""), ==, "robot");
}

static void test_account_copied(AdmissionFixture *fixture, gconstpointer data)
{
  /* a pod made from another one's YAML has the volume already */
  g_autoptr(Object) pod =
      create_pod(fixture, "", CONTAINERS ",'volumes':[{'name':'kube-api-access-aaaaa','emptyDir':{}}]");
  g_assert_cmpstr(mounted(json_object_get(spec_of(pod), "containers"), 0), ==, "kube-api-access-aaaaa");
  g_assert_cmpuint(json_array_size(json_object_get(spec_of(pod), "volumes")), ==, 1);
}

static void test_account_refusals(AdmissionFixture *fixture, gconstpointer data)
{
  refuses(fixture, "", "'serviceAccountName':'nope'," CONTAINERS,
          "error looking up service account default/nope: serviceaccount \"nope\" not found");
  refuses(fixture, ",'annotations':{'kubernetes.io/config.mirror':'x'}", "'serviceAccountName':'default'," CONTAINERS,
          "a mirror pod may not reference service accounts");
  refuses(fixture, ",'annotations':{'kubernetes.io/config.mirror':'x'}",
          CONTAINERS ",'volumes':[{'name':'s','secret':{'secretName':'s'}}]", "a mirror pod may not reference secrets");
  admission_must_create(
      fixture, "serviceaccounts",
      "{'metadata':{'name':'strict','annotations':{'kubernetes.io/enforce-mountable-secrets':'true'}},"
      "'secrets':[{'name':'mine'}]}");
  refuses(
      fixture, "",
      "'serviceAccountName':'strict'," CONTAINERS ",'volumes':[{'name':'s','secret':{'secretName':'other'}}]",
      "volume with secret.secretName=\"other\" is not allowed because service account strict does not reference that "
      "secret");
  refuses(fixture, "",
          "'serviceAccountName':'strict','containers':[{'name':'c','image':'i','env':[{'name':'E','valueFrom':"
          "{'secretKeyRef':{'name':'other','key':'k'}}}]}]",
          "container c with envVar E referencing secret.secretName=\"other\" is not allowed because service account "
          "strict does not reference that secret");
  g_autoptr(Object) pod = create_pod(fixture, "",
                                     "'serviceAccountName':'strict'," CONTAINERS
                                     ",'volumes':[{'name':'s','secret':{'secretName':'mine'}}]");
}

static bool token_is_mounted(AdmissionFixture *fixture, const char *spec)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *text = g_strdup_printf("{'metadata':{'generateName':'p-'},'spec':{%s," CONTAINERS "}}", spec);
  g_autoptr(Object) pod = admission_create(fixture, "pods", NULL, text, &error);
  g_assert_no_error(error);
  return mounted(json_object_get(spec_of(pod), "containers"), 0) != NULL;
}

static void test_automount(AdmissionFixture *fixture, gconstpointer data)
{
  admission_must_create(fixture, "serviceaccounts", "{'metadata':{'name':'shy'},'automountServiceAccountToken':false}");
  g_assert_true(token_is_mounted(fixture, "'serviceAccountName':'default'"));
  g_assert_false(token_is_mounted(fixture, "'automountServiceAccountToken':false"));
  g_assert_false(token_is_mounted(fixture, "'serviceAccountName':'shy'"));
  g_assert_true(token_is_mounted(fixture, "'serviceAccountName':'shy','automountServiceAccountToken':true"));
}

enum { NEW_NAMESPACES = 20 };

static void *create_in(void *data)
{
  Target target;
  AdmissionFixture *fixture = ((void **)data)[0];
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = admission_json("{'metadata':{'name':'p'},'spec':{" CONTAINERS "}}");
  target = (Target){ api_scheme_resource(fixture->scheme, "", "v1", "pods"), ((void **)data)[1], NULL, NULL };
  g_autoptr(Object) pod = registry_create(fixture->registry, NULL, &target, value, &error);
  g_assert_no_error(error);
  return NULL;
}

/* Whoever makes a namespace and a pod in it does not wait for its account in between. */
static void test_new_namespace(AdmissionFixture *fixture, gconstpointer data)
{
  for (int i = 0; i < NEW_NAMESPACES; i++) {
    g_autofree char *name = g_strdup_printf("n%d", i);
    g_autofree char *text = g_strdup_printf("{'metadata':{'name':'%s'}}", name);
    void *arguments[] = { fixture, name };
    admission_must_create(fixture, "namespaces", text);
    GThread *thread = g_thread_new("create", create_in, arguments);
    g_autoptr(GError) error = NULL;
    g_autoptr(Object) account =
        admission_create(fixture, "serviceaccounts", name, "{'metadata':{'name':'default'}}", &error);
    g_assert_no_error(error);
    g_thread_join(thread);
  }
}

/* What plugins add belongs to nobody: not to the client, who did not ask for it. */
static void test_owners(AdmissionFixture *fixture, gconstpointer data)
{
  admission_must_create(fixture, "limitranges",
                        "{'metadata':{'name':'l'},'spec':{'limits':[{'type':'Container','default':{'cpu':'1'}}]}}");
  g_autoptr(Object) pod = create_pod(fixture, "", CONTAINERS);
  const json_t *entries = json_at(object_json(pod), "metadata", "managedFields", NULL);
  g_assert_cmpuint(json_array_size(entries), ==, 1);
  const json_t *entry = json_array_get(entries, 0);
  g_assert_cmpstr(json_str(entry, "manager", ""), ==, "test");
  const json_t *spec = json_at(entry, "fieldsV1", "f:spec", NULL);
  static const char *const added[] = { "f:volumes", "f:tolerations", "f:priority", "f:serviceAccountName",
                                       "f:preemptionPolicy" };
  for (gsize i = 0; i < G_N_ELEMENTS(added); i++)
    g_assert_null(json_object_get(spec, added[i]));
  const json_t *container = json_at(spec, "f:containers", "k:{\"name\":\"c\"}", NULL);
  g_assert_nonnull(json_object_get(container, "f:image"));
  g_assert_null(json_object_get(container, "f:volumeMounts"));
  g_assert_null(json_at(container, "f:resources", "f:limits", NULL));
  g_assert_null(json_at(entry, "fieldsV1", "f:metadata", "f:annotations", NULL));
}

/* --- priorities ----------------------------------------------------------------------------------------------------
 */

static void test_priority(AdmissionFixture *fixture, gconstpointer data)
{
  refuses(fixture, "", "'priorityClassName':'high'," CONTAINERS, "no PriorityClass with name high was found");
  admission_must_create(fixture, "priorityclasses.v1.scheduling.k8s.io",
                        "{'metadata':{'name':'high'},'value':10,'globalDefault':true,'preemptionPolicy':'Never'}");
  admission_must_refuse(
      fixture, "priorityclasses.v1.scheduling.k8s.io", "{'metadata':{'name':'higher'},'value':20,'globalDefault':true}",
      "priorityclasses.scheduling.k8s.io \"higher\" is forbidden: PriorityClass high is already marked "
      "as default. Only one default can exist");
  refuses(fixture, "", "'priority':7," CONTAINERS,
          "the integer value of priority (7) must not be provided in pod spec; priority admission controller computed "
          "10 from the given PriorityClass name");
  refuses(fixture, "", "'preemptionPolicy':'PreemptLowerPriority'," CONTAINERS,
          "the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority "
          "admission controller computed Never from the given PriorityClass name");
  g_autoptr(Object) pod = create_pod(fixture, "", CONTAINERS);
  g_assert_cmpint(json_int(spec_of(pod), "priority", 0), ==, 10);
  g_assert_cmpstr(json_str(spec_of(pod), "priorityClassName", ""), ==, "high");
}

/* --- runtime classes -----------------------------------------------------------------------------------------------
 */

static void test_runtime_class(AdmissionFixture *fixture, gconstpointer data)
{
  admission_must_create(fixture, "runtimeclasses.v1.node.k8s.io",
                        "{'metadata':{'name':'vm'},'handler':'vm','overhead':{'podFixed':{'cpu':'250m'}},"
                        "'scheduling':{'nodeSelector':{'vm':'yes'},'tolerations':[{'key':'vm','operator':'Exists'}]}}");
  refuses(fixture, "", "'runtimeClassName':'none'," CONTAINERS, "pod rejected: RuntimeClass \"none\" not found");
  refuses(fixture, "", "'overhead':{'cpu':'1'}," CONTAINERS,
          "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
  refuses(fixture, "", "'runtimeClassName':'vm','overhead':{'cpu':'1'}," CONTAINERS,
          "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  refuses(fixture, "", "'runtimeClassName':'vm','nodeSelector':{'vm':'no'}," CONTAINERS,
          "conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no");
  g_autoptr(Object) pod =
      create_pod(fixture, "",
                 "'runtimeClassName':'vm','nodeSelector':{'a':'b'},'tolerations':[{'key':'vm','operator':'Equal',"
                 "'value':'x','effect':'NoSchedule'}]," CONTAINERS);
  is_json(json_object_get(spec_of(pod), "overhead"), "{'cpu':'250m'}");
  is_json(json_object_get(spec_of(pod), "nodeSelector"), "{'a':'b','vm':'yes'}");
  /* the class's toleration says all the pod's does, and takes its place */
  g_assert_cmpuint(json_array_size(json_object_get(spec_of(pod), "tolerations")), ==, 3);
  is_json(json_array_get(json_object_get(spec_of(pod), "tolerations"), 2), "{'key':'vm','operator':'Exists'}");
}

/* --- off by default ------------------------------------------------------------------------------------------------
 */

static void test_pull_always(AdmissionFixture *fixture, gconstpointer data)
{
  enable(fixture, "AlwaysPullImages");
  g_autoptr(Object) pod =
      create_pod(fixture, "", "'containers':[{'name':'c','image':'i:1','imagePullPolicy':'Never'}]");
  g_assert_cmpstr(json_str(json_array_get(json_object_get(spec_of(pod), "containers"), 0), "imagePullPolicy", ""), ==,
                  "Always");
}

static void test_extended_resources(AdmissionFixture *fixture, gconstpointer data)
{
  enable(fixture, "ExtendedResourceToleration");
  g_autoptr(Object) pod = create_pod(fixture, "",
                                     "'containers':[{'name':'c','image':'i','resources':{'limits':{'cpu':'1',"
                                     "'example.com/gpu':'1'}}}]");
  is_json(json_array_get(json_object_get(spec_of(pod), "tolerations"), 2),
          "{'key':'example.com/gpu','operator':'Exists','effect':'NoSchedule'}");
}

static void test_anti_affinity(AdmissionFixture *fixture, gconstpointer data)
{
  enable(fixture, "LimitPodHardAntiAffinityTopology");
  refuses(
      fixture, "",
      CONTAINERS ",'affinity':{'podAntiAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':["
                 "{'topologyKey':'zone','labelSelector':{'matchLabels':{'a':'b'}}}]}}",
      "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only key kubernetes.io/hostname is "
      "allowed");
}

static void annotate(AdmissionFixture *fixture, const char *annotations)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *text = g_strdup_printf("{'metadata':{'annotations':{%s}}}", annotations);
  g_autoptr(Object) updated = admission_update(fixture, "namespaces", NULL, NULL, "default", text, &error);
  g_assert_no_error(error);
}

static void test_node_selector(AdmissionFixture *fixture, gconstpointer data)
{
  enable(fixture, "PodNodeSelector");
  annotate(fixture, "'scheduler.alpha.kubernetes.io/node-selector':'env=test, zone=a'");
  refuses(fixture, "", "'nodeSelector':{'env':'live'}," CONTAINERS,
          "pod node label selector conflicts with its namespace node label selector");
  g_autoptr(Object) pod = create_pod(fixture, "", "'nodeSelector':{'disk':'ssd'}," CONTAINERS);
  is_json(json_object_get(spec_of(pod), "nodeSelector"), "{'disk':'ssd','env':'test','zone':'a'}");
}

static void test_toleration_restriction(AdmissionFixture *fixture, gconstpointer data)
{
  enable(fixture, "PodTolerationRestriction");
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) patch =
      json_pack("{s:{s:{s:s, s:s}}}", "metadata", "annotations", "scheduler.alpha.kubernetes.io/defaultTolerations",
                "[{\"key\":\"a\",\"operator\":\"Exists\"}]", "scheduler.alpha.kubernetes.io/tolerationsWhitelist",
                "[{\"key\":\"a\",\"operator\":\"Exists\"},{\"operator\":\"Exists\",\"effect\":\"NoExecute\"}]");
  Target target = { api_scheme_resource(fixture->scheme, "", "v1", "namespaces"), NULL, "default", NULL };
  g_autoptr(Object) updated = registry_patch(fixture->registry, NULL, &target, PATCH_MERGE, patch, false, NULL, &error);
  g_assert_no_error(error);
  refuses(fixture, "", "'tolerations':[{'key':'b','operator':'Exists'}]," CONTAINERS,
          "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist");
  g_autoptr(Object) pod = create_pod(fixture, "", CONTAINERS);
  is_json(json_array_get(json_object_get(spec_of(pod), "tolerations"), 0), "{'key':'a','operator':'Exists'}");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
#define TEST(name)                                                                                                     \
  g_test_add("/admission/pods/" #name, AdmissionFixture, NULL, admission_set_up, test_##name, admission_tear_down)
  TEST(account);
  TEST(account_copied);
  TEST(account_refusals);
  TEST(automount);
  TEST(new_namespace);
  TEST(owners);
  TEST(priority);
  TEST(runtime_class);
  TEST(pull_always);
  TEST(extended_resources);
  TEST(anti_affinity);
  TEST(node_selector);
  TEST(toleration_restriction);
  return g_test_run();
}
