/* LimitRanger: defaults and bounds of containers, pods and claims. */
#include "admission.h"
#include "base/json.h"
#include "base/reason.h"

static void limit(AdmissionFixture *fixture, const char *items)
{
  g_autofree char *text = g_strdup_printf("{'metadata':{'generateName':'l-'},'spec':{'limits':[%s]}}", items);
  admission_must_create(fixture, "limitranges", text);
}

/* A pod `p` whose spec holds MEMBERS. */
static char *pod_of(const char *members)
{
  return g_strdup_printf("{'metadata':{'name':'p'},'spec':{%s}}", members);
}

static void refuses(AdmissionFixture *fixture, const char *members, const char *why)
{
  g_autofree char *text = pod_of(members);
  g_autofree char *message = g_strconcat("pods \"p\" is forbidden: ", why, NULL);
  admission_must_refuse(fixture, "pods", text, message);
}

static void is_json(const json_t *value, const char *expected)
{
  g_autoptr(json_t) wanted = admission_json(expected);
  g_autofree char *text = value ? json_text(value) : g_strdup("null");
  if (!json_equal(value, wanted))
    g_error("got %s, expected %s", text, expected);
}

static void test_defaults(AdmissionFixture *fixture, gconstpointer data)
{
  limit(fixture, "{'type':'Container','default':{'cpu':'500m','memory':'1024Mi'},'defaultRequest':{'cpu':0.25}}");
  g_autofree char *text = pod_of("'containers':[{'name':'a','image':'i'},"
                                 "{'name':'b','image':'i','resources':{'limits':{'cpu':'2'}}}],"
                                 "'initContainers':[{'name':'n','image':'i'}]");
  g_autoptr(GError) error = NULL;
  g_autoptr(Object) pod = admission_create(fixture, "pods", NULL, text, &error);
  g_assert_no_error(error);
  const json_t *spec = json_object_get(object_json(pod), "spec");
  const json_t *containers = json_object_get(spec, "containers");
  static const char all[] = "{'limits':{'cpu':'500m','memory':'1Gi'},'requests':{'cpu':'250m','memory':'1Gi'}}";
  is_json(json_object_get(json_array_get(containers, 0), "resources"), all);
  is_json(json_object_get(json_array_get(json_object_get(spec, "initContainers"), 0), "resources"), all);
  /* a limit alone is the request as well */
  is_json(json_object_get(json_array_get(containers, 1), "resources"),
          "{'limits':{'cpu':'2','memory':'1Gi'},'requests':{'cpu':'2','memory':'1Gi'}}");
  g_assert_cmpstr(
      json_str(json_at(object_json(pod), "metadata", "annotations", NULL), "kubernetes.io/limit-ranger", ""), ==,
      "LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for container a; "
      "memory request for container b; memory limit for container b; "
      "cpu, memory request for init container n; cpu, memory limit for init container n");
}

static void test_container(AdmissionFixture *fixture, gconstpointer data)
{
  limit(fixture, "{'type':'Container','min':{'cpu':'100m'},'max':{'cpu':'1','memory':'1Gi'},"
                 "'maxLimitRequestRatio':{'cpu':'4'}}");
  refuses(fixture,
          "'containers':[{'name':'c','image':'i','resources':{'requests':{'cpu':'50m'},'limits':{'cpu':'200m'}}}]",
          "minimum cpu usage per Container is 100m, but request is 50m");
  refuses(fixture,
          "'containers':[{'name':'c','image':'i','resources':{'requests':{'cpu':'500m'},'limits':{'cpu':'2'}}}]",
          "maximum cpu usage per Container is 1, but limit is 2");
  refuses(fixture,
          "'containers':[{'name':'c','image':'i','resources':{'requests':{'cpu':'100m'},'limits':{'cpu':'1'}}}]",
          "cpu max limit to request ratio per Container is 4, but provided ratio is 10.000000");
  refuses(fixture,
          "'containers':[{'name':'c','image':'i','resources':{'limits':{'cpu':'2','memory':'2Gi'}}}],"
          "'initContainers':[{'name':'n','image':'i','resources':{'limits':{'cpu':'3'}}}]",
          "[maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 1Gi, but limit "
          "is 2Gi, maximum cpu usage per Container is 1, but limit is 3]");
  /* what max says is the default of the limit, and that of the request */
  admission_must_create(fixture, "pods", "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':'i'}]}}");
  /* and a pod that is there is not looked at again */
  g_autoptr(GError) error = NULL;
  limit(fixture, "{'type':'Container','max':{'cpu':'10m'}}");
  g_autoptr(Object) updated =
      admission_update(fixture, "pods", NULL, NULL, "p", "{'metadata':{'labels':{'a':'b'}}}", &error);
  g_assert_no_error(error);
}

static void test_pod(AdmissionFixture *fixture, gconstpointer data)
{
  limit(fixture, "{'type':'Pod','min':{'memory':'10Mi'},'max':{'cpu':'1'}}");
  refuses(
      fixture, "'containers':[{'name':'c','image':'i'}]",
      "[minimum memory usage per Pod is 10Mi.  No request is specified, maximum cpu usage per Pod is 1.  No limit is "
      "specified]");
  refuses(fixture,
          "'containers':[{'name':'a','image':'i','resources':{'limits':{'cpu':'600m','memory':'1Gi'}}},"
          "{'name':'b','image':'i','resources':{'limits':{'cpu':'600m'}}}]",
          "maximum cpu usage per Pod is 1, but limit is 1200m");
  /* an init container runs alone, but for the sidecars before it */
  refuses(fixture,
          "'containers':[{'name':'a','image':'i','resources':{'limits':{'cpu':'100m','memory':'1Gi'}}}],"
          "'initContainers':[{'name':'s','image':'i','restartPolicy':'Always','resources':{'limits':{'cpu':'600m'}}},"
          "{'name':'n','image':'i','resources':{'limits':{'cpu':'500m'}}}]",
          "maximum cpu usage per Pod is 1, but limit is 1100m");
  admission_must_create(fixture, "pods",
                        "{'metadata':{'name':'p'},'spec':{"
                        "'containers':[{'name':'a','image':'i','resources':{'limits':{'cpu':'100m','memory':'1Gi'}}}],"
                        "'initContainers':[{'name':'n','image':'i','resources':{'limits':{'cpu':'1'}}},"
                        "{'name':'s','image':'i','restartPolicy':'Always','resources':{'limits':{'cpu':'600m'}}}]}}");
}

static void test_claim(AdmissionFixture *fixture, gconstpointer data)
{
  limit(fixture, "{'type':'PersistentVolumeClaim','min':{'storage':'1Gi'},'max':{'storage':'2Gi'}}");
  static const char format[] = "{'metadata':{'name':'v'},'spec':{'accessModes':['ReadWriteOnce'],"
                               "'resources':{'requests':{'storage':'%s'}}}}";
  g_autofree char *small = g_strdup_printf(format, "1Mi");
  g_autofree char *large = g_strdup_printf(format, "3Gi");
  g_autofree char *right = g_strdup_printf(format, "2048Mi");
  admission_must_refuse(fixture, "persistentvolumeclaims", small,
                        "persistentvolumeclaims \"v\" is forbidden: minimum storage usage per PersistentVolumeClaim is "
                        "1Gi, but request is 1Mi");
  admission_must_refuse(fixture, "persistentvolumeclaims", large,
                        "persistentvolumeclaims \"v\" is forbidden: maximum storage usage per PersistentVolumeClaim is "
                        "2Gi, but request is 3Gi");
  admission_must_create(fixture, "persistentvolumeclaims", right);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
#define TEST(name)                                                                                                     \
  g_test_add("/admission/limits/" #name, AdmissionFixture, NULL, admission_set_up, test_##name, admission_tear_down)
  TEST(defaults);
  TEST(container);
  TEST(pod);
  TEST(claim);
  return g_test_run();
}
