/* ResourceQuota: what counts, what is refused and how, and that nothing gets past it. */
#include <string.h>

#include "admission.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/resource_quota.h"

#define POD "'containers':[{'name':'c','image':'i'}]"

static void quota(AdmissionFixture *fixture, const char *name, const char *spec)
{
  g_autofree char *text = g_strdup_printf("{'metadata':{'name':'%s'},'spec':{%s}}", name, spec);
  admission_must_create(fixture, "resourcequotas", text);
}

/* An object NAME with this spec. */
static char *named(const char *name, const char *spec)
{
  return g_strdup_printf("{'metadata':{'name':'%s'},'spec':{%s}}", name, spec);
}

static void creates(AdmissionFixture *fixture, const char *resource, const char *name, const char *spec)
{
  g_autofree char *text = named(name, spec);
  admission_must_create(fixture, resource, text);
}

static void refuses(AdmissionFixture *fixture, const char *resource, const char *name, const char *spec,
                    const char *why)
{
  g_autofree char *text = named(name, spec);
  g_autofree char *message = g_strdup_printf("%s \"%s\" is forbidden: %s", resource, name, why);
  admission_must_refuse(fixture, resource, text, message);
}

static void used_is(AdmissionFixture *fixture, const char *name, const char *expected)
{
  g_autoptr(Object) object = admission_get(fixture, "resourcequotas", NULL, name);
  g_autoptr(json_t) wanted = admission_json(expected);
  const json_t *used = json_at(object_json(object), "status", "used", NULL);
  g_autofree char *text = used ? json_text(used) : g_strdup("null");
  if (!json_equal(used, wanted))
    g_error("used of %s is %s, not %s", name, text, expected);
}

static void recount(AdmissionFixture *fixture)
{
  g_autoptr(GError) error = NULL;
  g_assert_true(resource_quota_recount(fixture->registry, "default", NULL, &error));
  g_assert_no_error(error);
}

static void test_counts(AdmissionFixture *fixture, gconstpointer data)
{
  quota(fixture, "q1", "'hard':{'configmaps':'1','count/deployments.apps':'1','count/secrets':'0','services':'5'}");
  admission_must_create(fixture, "configmaps", "{'metadata':{'name':'a'}}");
  used_is(fixture, "q1", "{'configmaps':'1','count/deployments.apps':'0','count/secrets':'0','services':'0'}");
  admission_must_refuse(fixture, "configmaps", "{'metadata':{'name':'b'}}",
                        "configmaps \"b\" is forbidden: exceeded quota: q1, requested: configmaps=1, used: "
                        "configmaps=1, limited: configmaps=1");
  admission_must_refuse(fixture, "secrets", "{'metadata':{'name':'b'}}",
                        "secrets \"b\" is forbidden: exceeded quota: q1, requested: count/secrets=1, used: "
                        "count/secrets=0, limited: count/secrets=0");
  /* what is there already is not charged again, and is told so */
  admission_must_refuse(fixture, "configmaps", "{'metadata':{'name':'a'}}", "configmaps \"a\" already exists");
  g_autoptr(GError) error = NULL;
  g_assert_true(admission_delete(fixture, "configmaps", NULL, "a", &error));
  recount(fixture);
  used_is(fixture, "q1", "{'configmaps':'0','count/deployments.apps':'0','count/secrets':'0','services':'0'}");
  admission_must_create(fixture, "configmaps", "{'metadata':{'name':'b'}}");
  /* another namespace has no quota */
  admission_must_create(fixture, "namespaces", "{'metadata':{'name':'other'}}");
  g_autoptr(Object) made = admission_create(fixture, "secrets", "other", "{'metadata':{'name':'b'}}", &error);
  g_assert_no_error(error);
}

static void test_compute(AdmissionFixture *fixture, gconstpointer data)
{
  quota(fixture, "q1",
        "'hard':{'pods':'10','requests.cpu':'1','limits.cpu':'2','requests.memory':'1Gi',"
        "'requests.example.com/gpu':'2','memory':'2Gi'}");
  refuses(fixture, "pods", "p", POD,
          "failed quota: q1: must specify limits.cpu for: c; memory for: c; requests.cpu for: c; requests.memory for: "
          "c");
  refuses(
      fixture, "pods", "p",
      "'containers':[{'name':'c','image':'i','resources':{'limits':{'cpu':'1','memory':'1Gi'}}}],"
      "'initContainers':[{'name':'n','image':'i'},{'name':'m','image':'i','resources':{'limits':{'cpu':'1'}}}]",
      "failed quota: q1: must specify limits.cpu for: n; memory for: m,n; requests.cpu for: n; requests.memory for: "
      "m,n");
  creates(fixture, "pods", "p",
          "'containers':[{'name':'c','image':'i','resources':{"
          "'requests':{'cpu':'600m','memory':'512Mi','example.com/gpu':'2'},"
          "'limits':{'cpu':'1','memory':'512Mi','example.com/gpu':'2'}}}]");
  used_is(fixture, "q1",
          "{'limits.cpu':'1','memory':'512Mi','pods':'1','requests.cpu':'600m',"
          "'requests.example.com/gpu':'2','requests.memory':'512Mi'}");
  refuses(fixture, "pods", "p2",
          "'containers':[{'name':'c','image':'i','resources':{'requests':{'cpu':'500m','memory':'768Mi'},"
          "'limits':{'cpu':'1','memory':'768Mi'}}}]",
          "exceeded quota: q1, requested: requests.cpu=500m,requests.memory=768Mi, used: "
          "requests.cpu=600m,requests.memory=512Mi, limited: requests.cpu=1,requests.memory=1Gi");
  /* one that has ended takes nothing any more */
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) ended =
      admission_update(fixture, "pods", NULL, "status", "p", "{'status':{'phase':'Succeeded'}}", &error);
  g_assert_no_error(error);
  recount(fixture);
  used_is(fixture, "q1",
          "{'limits.cpu':'0','memory':'0','pods':'0','requests.cpu':'0',"
          "'requests.example.com/gpu':'0','requests.memory':'0'}");
}

static void test_services(AdmissionFixture *fixture, gconstpointer data)
{
  quota(fixture, "q1", "'hard':{'services':'3','services.nodeports':'2','services.loadbalancers':'1'}");
  creates(fixture, "services", "a", "'type':'NodePort','ports':[{'port':80,'name':'a'},{'port':81,'name':'b'}]");
  refuses(fixture, "services", "b", "'type':'NodePort','ports':[{'port':80}]",
          "exceeded quota: q1, requested: services.nodeports=1, used: services.nodeports=2, limited: "
          "services.nodeports=2");
  creates(fixture, "services", "b",
          "'type':'LoadBalancer','allocateLoadBalancerNodePorts':false,'ports':[{'port':80}]");
  creates(fixture, "services", "c", "'ports':[{'port':80}]");
  used_is(fixture, "q1", "{'services':'3','services.loadbalancers':'1','services.nodeports':'2'}");
  g_autoptr(GError) error = NULL;
  g_assert_null(admission_update(fixture, "services", NULL, NULL, "c", "{'spec':{'type':'NodePort'}}", &error));
  g_assert_cmpstr(error->message, ==,
                  "services \"c\" is forbidden: exceeded quota: q1, requested: services.nodeports=1, used: "
                  "services.nodeports=2, limited: services.nodeports=2");
}

static void test_claims(AdmissionFixture *fixture, gconstpointer data)
{
  quota(fixture, "q1",
        "'hard':{'persistentvolumeclaims':'5','requests.storage':'10Gi',"
        "'gold.storageclass.storage.k8s.io/requests.storage':'2Gi',"
        "'gold.storageclass.storage.k8s.io/persistentvolumeclaims':'1'}");
#define CLAIM(class, size)                                                                                             \
  "'accessModes':['ReadWriteOnce'],'storageClassName':'" class "','resources':{'requests':{'storage':'" size "'}}"
  creates(fixture, "persistentvolumeclaims", "a", CLAIM("slow", "5Gi"));
  creates(fixture, "persistentvolumeclaims", "b", CLAIM("gold", "1Gi"));
  refuses(fixture, "persistentvolumeclaims", "c", CLAIM("gold", "2Gi"),
          "exceeded quota: q1, requested: gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,"
          "gold.storageclass.storage.k8s.io/requests.storage=2Gi, used: "
          "gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,"
          "gold.storageclass.storage.k8s.io/requests.storage=1Gi, limited: "
          "gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,"
          "gold.storageclass.storage.k8s.io/requests.storage=2Gi");
  used_is(fixture, "q1",
          "{'gold.storageclass.storage.k8s.io/persistentvolumeclaims':'1',"
          "'gold.storageclass.storage.k8s.io/requests.storage':'1Gi','persistentvolumeclaims':'2',"
          "'requests.storage':'6Gi'}");
}

static void test_scopes(AdmissionFixture *fixture, gconstpointer data)
{
  quota(fixture, "ending", "'hard':{'pods':'1'},'scopes':['Terminating']");
  quota(fixture, "best-effort", "'hard':{'pods':'1'},'scopes':['BestEffort','NotTerminating']");
  quota(fixture, "class",
        "'hard':{'pods':'0'},'scopeSelector':{'matchExpressions':[{'scopeName':'PriorityClass',"
        "'operator':'In','values':['high']}]}");
  quota(fixture, "across",
        "'hard':{'pods':'0'},'scopeSelector':{'matchExpressions':[{'scopeName':"
        "'CrossNamespacePodAffinity','operator':'Exists'}]}");
  admission_must_create(fixture, "priorityclasses.v1.scheduling.k8s.io", "{'metadata':{'name':'high'},'value':10}");
  creates(fixture, "pods", "a", "'activeDeadlineSeconds':60," POD);
  creates(fixture, "pods", "b", POD);
  refuses(fixture, "pods", "c", POD, "exceeded quota: best-effort, requested: pods=1, used: pods=1, limited: pods=1");
  creates(fixture, "pods", "d", "'containers':[{'name':'c','image':'i','resources':{'requests':{'cpu':'1m'}}}]");
  refuses(fixture, "pods", "e",
          "'priorityClassName':'high','containers':[{'name':'c','image':'i','resources':{'requests':{'cpu':'1m'}}}]",
          "exceeded quota: class, requested: pods=1, used: pods=0, limited: pods=0");
  refuses(fixture, "pods", "f",
          "'affinity':{'podAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[{'topologyKey':'k',"
          "'namespaces':['x'],'labelSelector':{'matchLabels':{'a':'b'}}}]}},"
          "'containers':[{'name':'c','image':'i','resources':{'requests':{'cpu':'1m'}}}]",
          "exceeded quota: across, requested: pods=1, used: pods=0, limited: pods=0");
  recount(fixture);
  used_is(fixture, "ending", "{'pods':'1'}");
  used_is(fixture, "best-effort", "{'pods':'1'}");
}

/* A write that fails after it was charged gives back, and a dry run is never charged. */
static void test_refund(AdmissionFixture *fixture, gconstpointer data)
{
  quota(fixture, "q1", "'hard':{'services':'2'}");
  creates(fixture, "services", "a", "'ports':[{'port':80}]");
  g_autoptr(json_t) value = admission_json("{'metadata':{'name':'b'},'spec':{'ports':[{'port':80}]}}");
  Target target = { api_scheme_resource(fixture->scheme, "", "v1", "services"), "default", NULL, NULL };
  Caller dry = { .dry_run = true };
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) made = registry_create(fixture->registry, &dry, &target, value, &error);
  g_assert_no_error(error);
  used_is(fixture, "q1", "{'services':'1'}");
}

/* --- many at once --------------------------------------------------------------------------------------------------
 */

enum { THREADS = 16, TRIES = 6, SLOTS = 20, MEDDLINGS = 40 };

typedef struct Racer {
  AdmissionFixture *fixture;
  int number;
  unsigned made, refused;
} Racer;

static void *race(void *data)
{
  Racer *racer = data;
  Target target = { api_scheme_resource(racer->fixture->scheme, "", "v1", "configmaps"), "default", NULL, NULL };
  for (int i = 0; i < TRIES; i++) {
    g_autoptr(GError) error = NULL;
    /* two threads want each name: one of them fails after it was charged */
    g_autoptr(json_t) value = json_pack("{s:{s:o}}", "metadata", "name", json_sprintf("m-%d-%d", racer->number / 2, i));
    g_autoptr(Object) made = registry_create(racer->fixture->registry, NULL, &target, value, &error);
    racer->made += made != NULL;
    racer->refused += !made && reason_is(error, REASON_FORBIDDEN);
    if (!made && !reason_is(error, REASON_ALREADY_EXISTS))
      g_assert_true(g_str_has_prefix(strstr(error->message, "exceeded"), "exceeded quota: q1, requested: "));
    if (i % 3 == 2)
      recount(racer->fixture);
  }
  return NULL;
}

/* Writes the quota itself meanwhile, as another server or a user may: charges lose against it and are made again. */
static void *meddle(void *data)
{
  AdmissionFixture *fixture = data;
  Target target = { api_scheme_resource(fixture->scheme, "", "v1", "resourcequotas"), "default", "q1", NULL };
  for (int i = 0; i < MEDDLINGS; i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) patch = json_pack("{s:{s:{s:o}}}", "metadata", "labels", "times", json_sprintf("%d", i));
    g_autoptr(Object) patched =
        registry_patch(fixture->registry, NULL, &target, PATCH_MERGE, patch, false, NULL, &error);
    g_assert_no_error(error);
  }
  return NULL;
}

static void test_race(AdmissionFixture *fixture, gconstpointer data)
{
  quota(fixture, "q1", "'hard':{'configmaps':'20'}");
  GThread *threads[THREADS];
  Racer racers[THREADS];
  unsigned made = 0, refused = 0;
  for (int i = 0; i < THREADS; i++) {
    racers[i] = (Racer){ .fixture = fixture, .number = i };
    threads[i] = g_thread_new("race", race, &racers[i]);
  }
  GThread *meddler = g_thread_new("meddle", meddle, fixture);
  for (int i = 0; i < THREADS; i++) {
    g_thread_join(threads[i]);
    made += racers[i].made;
    refused += racers[i].refused;
  }
  g_thread_join(meddler);
  g_assert_cmpuint(made, <=, SLOTS);
  g_assert_cmpuint(refused, >, 0);
  /* a charge that was given back late may have left a slot */
  for (unsigned i = made; i < SLOTS; i++)
    admission_must_create(fixture, "configmaps", "{'metadata':{'generateName':'late-'}}");
  used_is(fixture, "q1", "{'configmaps':'20'}");
  recount(fixture);
  used_is(fixture, "q1", "{'configmaps':'20'}");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
#define TEST(name)                                                                                                     \
  g_test_add("/admission/quota/" #name, AdmissionFixture, NULL, admission_set_up, test_##name, admission_tear_down)
  TEST(counts);
  TEST(compute);
  TEST(services);
  TEST(claims);
  TEST(scopes);
  TEST(refund);
  TEST(race);
  return g_test_run();
}
