/* What a new cluster begins with, and what of it stays as people have made it. */
#include <glib.h>
#include <string.h>

#include "admission.h"
#include "base/json.h"
#include "clusterd/server/bootstrap/bootstrap.h"

static const Caller nobody = { .field_manager = "test" };
static const ApiServerConfig plain = { .port = 8443, .service_ip = "10.96.0.1" };
static const ApiServerConfig with_storage = { .port = 8443,
                                              .service_ip = "10.96.0.1",
                                              .default_storage_provisioner = "example.com/folders" };

static Target target(AdmissionFixture *fixture, const char *group, const char *plural, const char *namespace_,
                     const char *name)
{
  return (Target){ api_scheme_resource(fixture->scheme, group, "v1", plural), namespace_, name, NULL };
}

static json_t *get(AdmissionFixture *fixture, const char *group, const char *plural, const char *namespace_,
                   const char *name)
{
  Target at = target(fixture, group, plural, namespace_, name);
  g_autoptr(Object) object = registry_get(fixture->registry, &nobody, &at, NULL);
  return object ? json_incref(object_json(object)) : NULL;
}

static void boot(AdmissionFixture *fixture, const ApiServerConfig *config)
{
  g_autoptr(GError) error = NULL;
  bootstrap_objects(fixture->registry, config, &error);
  g_assert_no_error(error);
}

static void test_service(AdmissionFixture *fixture, const void *data)
{
  boot(fixture, &plain);
  g_autoptr(json_t) service = get(fixture, "", "services", "default", "kubernetes");
  g_assert_cmpstr(json_str(json_object_get(service, "spec"), "clusterIP", ""), ==, "10.96.0.1");
  g_autoptr(json_t) class = get(fixture, "storage.k8s.io", "storageclasses", NULL, "standard");
  g_assert_null(class);
}

static bool hand_over(json_t *value, void *data)
{
  json_object_set_new(json_at(value, "metadata", "annotations", NULL), "storageclass.kubernetes.io/is-default-class",
                      json_string("false"));
  return true;
}

/* The class is made where it is missing; what people have changed of it stays. */
static void test_storage_class(AdmissionFixture *fixture, const void *data)
{
  g_autoptr(GError) error = NULL;
  Target at = target(fixture, "storage.k8s.io", "storageclasses", NULL, "standard");
  boot(fixture, &with_storage);
  g_autoptr(json_t) class = get(fixture, "storage.k8s.io", "storageclasses", NULL, "standard");
  const json_t *metadata = json_object_get(class, "metadata");
  g_assert_cmpstr(json_str(class, "provisioner", ""), ==, "example.com/folders");
  g_assert_cmpstr(json_str(class, "reclaimPolicy", ""), ==, "Delete");
  g_assert_cmpstr(json_str(class, "volumeBindingMode", ""), ==, "Immediate");
  g_assert_cmpstr(json_str(json_object_get(metadata, "annotations"), "storageclass.kubernetes.io/is-default-class", ""),
                  ==, "true");
  g_assert_cmpstr(json_str(json_object_get(metadata, "labels"), "addonmanager.kubernetes.io/mode", ""), ==,
                  "EnsureExists");
  g_autoptr(Object) changed = registry_modify(fixture->registry, &nobody, &at, hand_over, NULL, &error);
  g_assert_no_error(error);
  boot(fixture, &with_storage);
  g_autoptr(json_t) kept = get(fixture, "storage.k8s.io", "storageclasses", NULL, "standard");
  g_assert_cmpstr(
      json_str(json_at(kept, "metadata", "annotations", NULL), "storageclass.kubernetes.io/is-default-class", ""), ==,
      "false");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add("/bootstrap/service", AdmissionFixture, NULL, admission_set_up, test_service, admission_tear_down);
  g_test_add("/bootstrap/storage-class", AdmissionFixture, NULL, admission_set_up, test_storage_class,
             admission_tear_down);
  return g_test_run();
}
