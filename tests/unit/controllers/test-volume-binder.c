#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "cluster.h"
#include "clusterd/client/volume_match.h"
#include "clusterd/controllers/storage/volume_index.h"

#define VOLUME(name, size, more)                                                                                       \
  "{metadata: {name: " name "}, spec: {capacity: {storage: " size "}, accessModes: [ReadWriteOnce], hostPath: "        \
  "{path: /mnt/" name "}, " more "}}"
#define CLAIM(name, size, more)                                                                                        \
  "{metadata: {name: " name "}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: " size            \
  "}}, " more "}}"

#define MANY 60

static void add_volume(Cluster *cluster, const char *yaml)
{
  cluster_create(cluster, "v1", "persistentvolumes", false, yaml);
}

static void add_claim(Cluster *cluster, const char *yaml)
{
  cluster_create(cluster, "v1", "persistentvolumeclaims", true, yaml);
}

static json_t *volume_of(Cluster *cluster, const char *name)
{
  return cluster_get(cluster, "v1", "persistentvolumes", false, name);
}

static json_t *claim_of(Cluster *cluster, const char *name)
{
  return cluster_get(cluster, "v1", "persistentvolumeclaims", true, name);
}

static bool volume_is(Cluster *cluster, const char *name, const char *phase)
{
  g_autoptr(json_t) volume = volume_of(cluster, name);
  return strcmp(json_str(json_object_get(volume, "status"), "phase", ""), phase) == 0;
}

static bool claim_is(Cluster *cluster, const char *name, const char *phase)
{
  g_autoptr(json_t) claim = claim_of(cluster, name);
  return strcmp(json_str(json_object_get(claim, "status"), "phase", ""), phase) == 0;
}

static bool claim_has(Cluster *cluster, const char *name, const char *volume)
{
  g_autoptr(json_t) claim = claim_of(cluster, name);
  return claim_is(cluster, name, "Bound") &&
         strcmp(json_str(json_object_get(claim, "spec"), "volumeName", ""), volume) == 0;
}

static void delete_claim(Cluster *cluster, const char *name)
{
  cluster_delete(cluster, "v1", "persistentvolumeclaims", true, name, NULL);
}

/* --- the algorithm -------------------------------------------------------------------------------------------------
 */

static json_t *parse(const char *yaml)
{
  g_autoptr(GError) error = NULL;
  json_t *value = yaml_parse(yaml, strlen(yaml), &error);
  g_assert_no_error(error);
  return value;
}

static void test_match(void)
{
  static const struct {
    const char *volume, *claim, *why;
  } cases[] = {
    { "", "", NULL },
    { "", "volumeMode: Filesystem", NULL },
    { "storageClassName: a", "storageClassName: a", NULL },
    { "storageClassName: a", "storageClassName: b", "storageClassName does not match" },
    { "storageClassName: a", "storageClassName: ''", "storageClassName does not match" },
    { "", "storageClassName: ''", NULL },
    { "volumeMode: Block", "", "incompatible volumeMode" },
    { "accessModes: [ReadWriteOnce, ReadOnlyMany]", "", NULL },
    { "", "accessModes: [ReadWriteOnce, ReadOnlyMany]", "incompatible accessMode" },
    { "accessModes: [ReadWriteMany]", "", "incompatible accessMode" },
    { "capacity: {storage: 1Gi}", "resources: {requests: {storage: 1024Mi}}", NULL },
    { "capacity: {storage: 1G}", "resources: {requests: {storage: 1Gi}}", "requested PV is too small" },
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *volume_yaml = g_strdup_printf("{spec: {%s}}", cases[i].volume);
    g_autofree char *claim_yaml = g_strdup_printf("{spec: {%s}}", cases[i].claim);
    g_autoptr(json_t) volume = parse(volume_yaml), claim = parse(claim_yaml);
    json_t *parts[] = { json_object_get(volume, "spec"), json_object_get(claim, "spec") };
    for (size_t k = 0; k < 2; k++)
      if (!json_object_get(parts[k], "accessModes"))
        json_object_set_new(parts[k], "accessModes", json_pack("[s]", "ReadWriteOnce"));
    g_assert_cmpstr(volume_mismatch(volume, claim), ==, cases[i].why);
  }
  g_autoptr(json_t) leaving = parse("{metadata: {deletionTimestamp: now}, spec: {}}"), any = parse("{spec: {}}");
  g_assert_cmpstr(volume_mismatch(leaving, any), ==, "the volume is marked for deletion");
}

static void test_reserved(void)
{
  g_autoptr(json_t) claim = parse("{metadata: {namespace: d, name: c, uid: u1}}");
  g_autoptr(json_t) by_name = parse("{spec: {claimRef: {namespace: d, name: c}}}");
  g_autoptr(json_t) whole = parse("{spec: {claimRef: {namespace: d, name: c, uid: u1}}}");
  g_autoptr(json_t) older = parse("{spec: {claimRef: {namespace: d, name: c, uid: u0}}}");
  g_autoptr(json_t) other = parse("{spec: {claimRef: {namespace: e, name: c}}}");
  g_autoptr(json_t) nobodys = parse("{spec: {}}");
  g_assert_true(volume_is_for(by_name, claim));
  g_assert_true(volume_is_for(whole, claim));
  g_assert_false(volume_is_for(older, claim));
  g_assert_false(volume_is_for(other, claim));
  g_assert_false(volume_is_for(nobodys, claim));
}

static Object *make_volume(const ApiKind *kind, const char *name, const char *size, const char *more)
{
  g_autofree char *yaml = g_strdup_printf("{apiVersion: v1, kind: PersistentVolume, metadata: {name: %s, uid: u-%s, "
                                          "resourceVersion: '1', labels: {name: %s}}, spec: {capacity: {storage: %s}, "
                                          "accessModes: [ReadWriteOnce]%s}, status: {phase: Available}}",
                                          name, name, name, size, more);
  return object_new(kind, parse(yaml));
}

static void put(VolumeIndex *index, const ApiKind *kind, const char *name, const char *size, const char *more)
{
  g_autoptr(Object) volume = make_volume(kind, name, size, more);
  volume_index_put(index, volume);
}

static void assert_found(VolumeIndex *index, const char *claim_spec, const char *node_yaml, const char *expected)
{
  g_autofree char *yaml = g_strdup_printf("{spec: {accessModes: [ReadWriteOnce], %s}}", claim_spec);
  g_autoptr(json_t) claim = parse(yaml), node = node_yaml ? parse(node_yaml) : NULL;
  g_autoptr(Object) found = volume_index_find(index, claim, node, NULL);
  g_assert_cmpstr(found ? object_name(found) : NULL, ==, expected);
}

static void test_index(void)
{
  g_autoptr(ApiScheme) scheme = api_scheme_new();
  const ApiKind *kind = api_scheme_resource(scheme, "", "v1", "persistentvolumes");
  VolumeIndex *index = volume_index_new();
  assert_found(index, "resources: {requests: {storage: 1Gi}}", NULL, NULL);
  put(index, kind, "large", "10Gi", "");
  put(index, kind, "small", "1Gi", "");
  put(index, kind, "middle", "5Gi", "");
  put(index, kind, "also-middle", "5Gi", "");
  put(index, kind, "taken", "2Gi", ", claimRef: {namespace: d, name: c}");
  put(index, kind, "raw", "2Gi", ", volumeMode: Block");
  put(index, kind, "fast", "2Gi", ", storageClassName: fast");
  put(index, kind, "far", "3Gi",
      ", storageClassName: local, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: host, "
      "operator: In, values: [far]}]}]}}");
  assert_found(index, "resources: {requests: {storage: 1Gi}}", NULL, "small");
  assert_found(index, "resources: {requests: {storage: 1025Mi}}", NULL, "also-middle"); /* of equals the first */
  assert_found(index, "resources: {requests: {storage: 6Gi}}", NULL, "large");
  assert_found(index, "resources: {requests: {storage: 11Gi}}", NULL, NULL);
  assert_found(index, "volumeMode: Block, resources: {requests: {storage: 1Gi}}", NULL, "raw");
  assert_found(index, "storageClassName: fast, resources: {requests: {storage: 1Gi}}", NULL, "fast");
  assert_found(index, "resources: {requests: {storage: 1Gi}}, selector: {matchLabels: {name: middle}}", NULL, "middle");
  assert_found(index, "resources: {requests: {storage: 1Gi}}, selector: {matchLabels: {name: none}}", NULL, NULL);
  /* Affinity counts where a node is given, and only there. */
  assert_found(index, "storageClassName: local", NULL, "far");
  assert_found(index, "storageClassName: local", "{metadata: {labels: {host: far}}}", "far");
  assert_found(index, "storageClassName: local", "{metadata: {labels: {host: near}}}", NULL);
  put(index, kind, "small", "1Gi", ", claimRef: {namespace: d, name: c}");
  assert_found(index, "resources: {requests: {storage: 1Gi}}", NULL, "also-middle");
  volume_index_remove(index, "also-middle");
  volume_index_remove(index, "never there");
  assert_found(index, "resources: {requests: {storage: 1Gi}}", NULL, "middle");
  volume_index_free(index);
}

/* --- binding -------------------------------------------------------------------------------------------------------
 */

static void test_bind(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_volume(cluster, VOLUME("large", "10Gi", "storageClassName: manual"));
  add_volume(cluster, VOLUME("small", "5Gi", "storageClassName: manual"));
  cluster_wait(volume_is(cluster, "large", "Available") && volume_is(cluster, "small", "Available"));
  add_claim(cluster, CLAIM("data", "3Gi", "storageClassName: manual"));
  cluster_wait(claim_has(cluster, "data", "small"));
  cluster_wait(volume_is(cluster, "small", "Bound"));
  g_assert_true(volume_is(cluster, "large", "Available"));
  g_autoptr(json_t) volume = volume_of(cluster, "small"), claim = claim_of(cluster, "data");
  const json_t *reference = json_at(volume, "spec", "claimRef", NULL), *status = json_object_get(claim, "status");
  g_assert_cmpstr(json_str(reference, "kind", ""), ==, "PersistentVolumeClaim");
  g_assert_cmpstr(json_str(reference, "apiVersion", ""), ==, "v1");
  g_assert_cmpstr(json_str(reference, "namespace", ""), ==, "default");
  g_assert_cmpstr(json_str(reference, "name", ""), ==, "data");
  g_assert_cmpstr(json_str(reference, "uid", ""), ==, json_str(json_object_get(claim, "metadata"), "uid", "-"));
  g_assert_nonnull(json_object_get(reference, "resourceVersion"));
  g_assert_cmpstr(volume_annotation(volume, VOLUME_BOUND_BY_CONTROLLER), ==, "yes");
  g_assert_cmpstr(volume_annotation(claim, VOLUME_BOUND_BY_CONTROLLER), ==, "yes");
  g_assert_cmpstr(volume_annotation(claim, VOLUME_BIND_COMPLETED), ==, "yes");
  g_assert_null(volume_annotation(volume, VOLUME_BIND_COMPLETED));
  /* The claim has what the volume has, not what it asked for. */
  g_assert_cmpstr(json_str(json_object_get(status, "capacity"), "storage", ""), ==, "5Gi");
  g_assert_true(json_has_text(json_object_get(status, "accessModes"), "ReadWriteOnce"));
  g_assert_nonnull(json_at(volume, "status", "lastPhaseTransitionTime", NULL));
}

static void test_waits_for_volume(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_claim(cluster, CLAIM("data", "3Gi", ""));
  cluster_wait(cluster_has_event(cluster, "data", "FailedBinding",
                                 "no persistent volumes available for this claim and no storage class is set"));
  add_volume(cluster, VOLUME("too-small", "2Gi", ""));
  add_volume(cluster, VOLUME("other-class", "5Gi", "storageClassName: manual"));
  cluster_wait(volume_is(cluster, "too-small", "Available") && volume_is(cluster, "other-class", "Available"));
  g_assert_true(claim_is(cluster, "data", "Pending"));
  add_volume(cluster, VOLUME("fits", "3Gi", ""));
  cluster_wait(claim_has(cluster, "data", "fits"));
}

static void test_class_that_is_not_there(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_claim(cluster, CLAIM("data", "3Gi", "storageClassName: manual"));
  cluster_wait(
      cluster_has_event(cluster, "data", "ProvisioningFailed", "storageclass.storage.k8s.io \"manual\" not found"));
  cluster_create(cluster, "storage.k8s.io/v1", "storageclasses", false,
                 "{metadata: {name: manual}, provisioner: kubernetes.io/no-provisioner}");
  cluster_wait(cluster_has_event(cluster, "data", "ProvisioningFailed",
                                 "no volume plugin matched name: kubernetes.io/no-provisioner"));
  add_volume(cluster, VOLUME("late", "3Gi", "storageClassName: manual"));
  cluster_wait(claim_has(cluster, "data", "late"));
}

static bool has_class(Cluster *cluster, const char *claim, const char *class)
{
  g_autoptr(json_t) value = claim_of(cluster, claim);
  return strcmp(volume_class(value), class) == 0;
}

/* "" is a choice, nothing is none. */
static void test_default_class(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_claim(cluster, CLAIM("unset", "1Gi", ""));
  add_claim(cluster, CLAIM("none", "1Gi", "storageClassName: ''"));
  cluster_wait(cluster_has_event(cluster, "unset", "FailedBinding", "no storage class is set"));
  cluster_wait(cluster_has_event(cluster, "none", "FailedBinding", "no storage class is set"));
  cluster_create(cluster, "storage.k8s.io/v1", "storageclasses", false,
                 "{metadata: {name: plain}, provisioner: example.com/disk}");
  cluster_patch(cluster, "storage.k8s.io/v1", "storageclasses", "plain",
                "{metadata: {annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}}");
  cluster_wait(has_class(cluster, "unset", "plain"));
  cluster_wait(cluster_has_event(cluster, "unset", "ExternalProvisioning",
                                 "Waiting for a volume to be created either by the external provisioner "
                                 "'example.com/disk' or manually by the system administrator. If volume creation is "
                                 "delayed, please verify that the provisioner is running and correctly registered."));
  g_autoptr(json_t) asked = claim_of(cluster, "unset"), none = claim_of(cluster, "none");
  g_assert_cmpstr(volume_annotation(asked, VOLUME_PROVISIONER), ==, "example.com/disk");
  g_assert_cmpstr(volume_annotation(asked, VOLUME_PROVISIONER_BETA), ==, "example.com/disk");
  g_assert_cmpstr(json_str(json_object_get(none, "spec"), "storageClassName", "unset"), ==, "");
}

#define DEFAULT_CLASS(name)                                                                                            \
  "{metadata: {name: " name ", annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}, provisioner: "     \
  "example.com/disk}"

/* Of several default classes the newest counts: times are whole seconds. */
static void test_newest_default_class(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_claim(cluster, CLAIM("unset", "1Gi", ""));
  cluster_stop(cluster);
  cluster_create(cluster, "storage.k8s.io/v1", "storageclasses", false, DEFAULT_CLASS("alpha"));
  g_autoptr(json_t) alpha = cluster_get(cluster, "storage.k8s.io/v1", "storageclasses", false, "alpha");
  cluster_wait(({
    g_autofree char *now = timestamp_now();
    strcmp(now, json_str(json_object_get(alpha, "metadata"), "creationTimestamp", "")) > 0;
  }));
  cluster_create(cluster, "storage.k8s.io/v1", "storageclasses", false, DEFAULT_CLASS("beta"));
  cluster_resume(cluster);
  cluster_wait(has_class(cluster, "unset", "beta"));
}

static void test_selector(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_volume(cluster, VOLUME("plain", "3Gi", ""));
  cluster_wait(volume_is(cluster, "plain", "Available"));
  add_claim(cluster, CLAIM("data", "1Gi", "selector: {matchExpressions: [{key: kind, operator: In, values: [ssd]}]}"));
  cluster_wait(cluster_has_event(cluster, "data", "FailedBinding", "no persistent volumes available"));
  cluster_patch(cluster, "v1", "persistentvolumes", "plain", "{metadata: {labels: {kind: ssd}}}");
  cluster_wait(claim_has(cluster, "data", "plain"));
}

/* --- reserved ------------------------------------------------------------------------------------------------------
 */

static void test_volume_reserved_for_claim(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_volume(cluster, VOLUME("smaller", "2Gi", ""));
  add_volume(cluster, VOLUME("reserved", "9Gi", "claimRef: {namespace: default, name: data}"));
  cluster_wait(volume_is(cluster, "reserved", "Available") && volume_is(cluster, "smaller", "Available"));
  add_claim(cluster, CLAIM("other", "5Gi", ""));
  cluster_wait(cluster_has_event(cluster, "other", "FailedBinding", "no persistent volumes available"));
  add_claim(cluster, CLAIM("data", "1Gi", ""));
  cluster_wait(claim_has(cluster, "data", "reserved"));
  g_assert_true(claim_is(cluster, "other", "Pending"));
  g_autoptr(json_t) volume = volume_of(cluster, "reserved"), claim = claim_of(cluster, "data");
  g_assert_null(volume_annotation(volume, VOLUME_BOUND_BY_CONTROLLER));
  g_assert_cmpstr(json_str(json_at(volume, "spec", "claimRef", NULL), "uid", ""), ==,
                  json_str(json_object_get(claim, "metadata"), "uid", "-"));
}

static void test_claim_names_volume(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_claim(cluster, CLAIM("data", "3Gi", "volumeName: mine"));
  add_volume(cluster, VOLUME("mine", "2Gi", ""));
  cluster_wait(cluster_has_event(cluster, "data", "VolumeMismatch",
                                 "Cannot bind to requested volume \"mine\": requested PV is too small"));
  g_assert_true(claim_is(cluster, "data", "Pending"));
  cluster_patch(cluster, "v1", "persistentvolumes", "mine", "{spec: {capacity: {storage: 4Gi}}}");
  cluster_wait(claim_has(cluster, "data", "mine"));
  g_autoptr(json_t) claim = claim_of(cluster, "data");
  g_assert_null(volume_annotation(claim, VOLUME_BOUND_BY_CONTROLLER));
  g_assert_cmpstr(volume_annotation(claim, VOLUME_BIND_COMPLETED), ==, "yes");
  add_claim(cluster, CLAIM("second", "1Gi", "volumeName: mine"));
  cluster_wait(
      cluster_has_event(cluster, "second", "FailedBinding", "volume \"mine\" already bound to a different claim."));
  g_assert_true(claim_is(cluster, "second", "Pending"));
}

static void test_mode_mismatch(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_volume(cluster, VOLUME("raw", "3Gi", "volumeMode: Block"));
  cluster_wait(volume_is(cluster, "raw", "Available"));
  add_claim(cluster, CLAIM("data", "1Gi", "volumeName: raw"));
  cluster_wait(cluster_has_event(cluster, "data", "VolumeMismatch",
                                 "Cannot bind to requested volume \"raw\": incompatible volumeMode"));
}

/* A volume that was reserved for a claim by hand, uid and all, and is of another mode: both say so. */
static void test_reserved_mode_mismatch(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_claim(cluster, CLAIM("data", "1Gi", ""));
  g_autoptr(json_t) claim = claim_of(cluster, "data");
  g_autofree char *volume =
      g_strdup_printf(VOLUME("raw", "3Gi", "volumeMode: Block, claimRef: {namespace: default, name: data, uid: %s}"),
                      json_str(json_object_get(claim, "metadata"), "uid", ""));
  add_volume(cluster, volume);
  cluster_wait(cluster_has_event(cluster, "raw", "VolumeMismatch",
                                 "Cannot bind PersistentVolume to requested PersistentVolumeClaim \"data\" due to "
                                 "incompatible volumeMode."));
  cluster_wait(cluster_has_event(cluster, "data", "VolumeMismatch",
                                 "Cannot bind PersistentVolume \"raw\" to requested PersistentVolumeClaim due to "
                                 "incompatible volumeMode."));
  g_assert_true(claim_is(cluster, "data", "Pending"));
}

/* --- waiting for a pod ---------------------------------------------------------------------------------------------
 */

#define LOCAL_CLASS                                                                                                    \
  "{metadata: {name: local}, provisioner: kubernetes.io/no-provisioner, volumeBindingMode: WaitForFirstConsumer}"
#define ON_NODE(name)                                                                                                  \
  "storageClassName: local, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: "                  \
  "kubernetes.io/hostname, operator: In, values: [" name "]}]}]}}"

static void test_waits_for_consumer(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "storage.k8s.io/v1", "storageclasses", false, LOCAL_CLASS);
  add_volume(cluster, VOLUME("far", "1Gi", ON_NODE("node-2")));
  add_volume(cluster, VOLUME("near", "5Gi", ON_NODE("node-1")));
  cluster_wait(volume_is(cluster, "far", "Available") && volume_is(cluster, "near", "Available"));
  add_claim(cluster, CLAIM("data", "1Gi", "storageClassName: local"));
  cluster_wait(cluster_has_event(cluster, "data", "WaitForFirstConsumer",
                                 "waiting for first consumer to be created before binding"));
  g_assert_true(claim_is(cluster, "data", "Pending"));
  /* What the scheduler does once it has chosen. */
  cluster_patch(cluster, "v1", "persistentvolumeclaims", "data",
                "{metadata: {annotations: {volume.kubernetes.io/selected-node: node-1}}}");
  cluster_wait(claim_has(cluster, "data", "near"));
  g_assert_true(volume_is(cluster, "far", "Available"));
}

/* The scheduler may also reserve a volume. */
static void test_scheduler_reserves(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  cluster_create(cluster, "storage.k8s.io/v1", "storageclasses", false, LOCAL_CLASS);
  add_volume(cluster, VOLUME("far", "1Gi", ON_NODE("node-2")));
  add_claim(cluster, CLAIM("data", "1Gi", "storageClassName: local"));
  cluster_wait(cluster_has_event(cluster, "data", "WaitForFirstConsumer", "waiting for first consumer"));
  cluster_patch(cluster, "v1", "persistentvolumes", "far", "{spec: {claimRef: {namespace: default, name: data}}}");
  cluster_wait(claim_has(cluster, "data", "far"));
}

/* --- taken back ----------------------------------------------------------------------------------------------------
 */

static void bind_one(Cluster *cluster, const char *volume_yaml)
{
  add_volume(cluster, volume_yaml);
  add_claim(cluster, CLAIM("data", "1Gi", "volumeName: vol"));
  cluster_wait(claim_has(cluster, "data", "vol") && volume_is(cluster, "vol", "Bound"));
}

static void test_retain(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  bind_one(cluster, VOLUME("vol", "1Gi", "persistentVolumeReclaimPolicy: Retain"));
  delete_claim(cluster, "data");
  cluster_wait(volume_is(cluster, "vol", "Released"));
  /* A claim of the same name is another claim; the volume is nobody's until somebody says so. */
  add_claim(cluster, CLAIM("data", "1Gi", ""));
  cluster_wait(cluster_has_event(cluster, "data", "FailedBinding", "no persistent volumes available"));
  g_assert_true(volume_is(cluster, "vol", "Released"));
  cluster_patch(cluster, "v1", "persistentvolumes", "vol", "{spec: {claimRef: null}}");
  cluster_wait(claim_has(cluster, "data", "vol"));
}

/* Without a node nobody can delete a folder: people are told. */
static void test_delete_fails(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  bind_one(cluster, VOLUME("vol", "1Gi", "persistentVolumeReclaimPolicy: Delete"));
  delete_claim(cluster, "data");
  cluster_wait(volume_is(cluster, "vol", "Failed"));
  g_autoptr(json_t) volume = volume_of(cluster, "vol");
  g_assert_cmpstr(json_str(json_object_get(volume, "status"), "message", ""), ==,
                  "error getting deleter volume plugin for volume \"vol\": no deletable volume plugin matched");
  g_autoptr(GError) error = NULL;
  cluster_patch(cluster, "v1", "persistentvolumes", "vol", "{spec: {persistentVolumeReclaimPolicy: Retain}}");
  cluster_delete(cluster, "v1", "persistentvolumes", false, "vol", NULL);
  cluster_wait(!cluster_exists(cluster, "v1", "persistentvolumes", "vol"));
}

static void test_recycle_without_recycler(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  bind_one(cluster, VOLUME("vol", "1Gi", "persistentVolumeReclaimPolicy: Recycle"));
  delete_claim(cluster, "data");
  cluster_wait(volume_is(cluster, "vol", "Failed"));
  g_autoptr(json_t) volume = volume_of(cluster, "vol");
  g_assert_cmpstr(json_str(json_object_get(volume, "status"), "message", ""), ==,
                  "No recycler plugin found for the volume!");
}

/* Who provisioned a volume deletes it, when it sees it released. */
static void test_external_deleter(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  bind_one(cluster, "{metadata: {name: vol, annotations: {pv.kubernetes.io/provisioned-by: example.com/disk}}, spec: "
                    "{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /x}, "
                    "persistentVolumeReclaimPolicy: Delete}}");
  delete_claim(cluster, "data");
  cluster_wait(volume_is(cluster, "vol", "Released"));
}

/* --- lost ----------------------------------------------------------------------------------------------------------
 */

static void drop_finalizers(Cluster *cluster, const char *plural, const char *name)
{
  cluster_patch(cluster, "v1", plural, name, "{metadata: {finalizers: null}}");
}

static void test_lost(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  bind_one(cluster, VOLUME("vol", "1Gi", ""));
  cluster_delete(cluster, "v1", "persistentvolumes", false, "vol", NULL);
  drop_finalizers(cluster, "persistentvolumes", "vol");
  cluster_wait(claim_is(cluster, "data", "Lost"));
  cluster_wait(cluster_has_event(cluster, "data", "ClaimLost",
                                 "Bound claim has lost its PersistentVolume. Data on the volume is lost!"));
  g_autoptr(json_t) claim = claim_of(cluster, "data");
  g_assert_null(json_at(claim, "status", "capacity", NULL));
}

static void test_misbound(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  bind_one(cluster, VOLUME("vol", "1Gi", ""));
  add_claim(cluster, CLAIM("thief", "1Gi", "volumeName: vol"));
  cluster_patch(cluster, "v1", "persistentvolumeclaims", "thief",
                "{metadata: {annotations: {pv.kubernetes.io/bind-completed: 'yes'}}}");
  cluster_wait(claim_is(cluster, "thief", "Lost"));
  cluster_wait(cluster_has_event(cluster, "thief", "ClaimMisbound",
                                 "Two claims are bound to the same volume, this one is bound incorrectly"));
  g_assert_true(claim_has(cluster, "data", "vol"));
}

/* --- races and restarts --------------------------------------------------------------------------------------------
 */

static void test_two_claims(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  for (int round = 0; round < 10; round++) {
    g_autofree char *volume = g_strdup_printf(VOLUME("vol-%d", "1Gi", ""), round, round);
    g_autofree char *first = g_strdup_printf(CLAIM("first-%d", "1Gi", ""), round);
    g_autofree char *second = g_strdup_printf(CLAIM("second-%d", "1Gi", ""), round);
    add_claim(cluster, first);
    add_volume(cluster, volume);
    add_claim(cluster, second);
  }
  unsigned bound = 0;
  cluster_wait(({
    g_autoptr(GPtrArray) claims = cluster_list(cluster, "v1", "persistentvolumeclaims", NULL);
    g_autoptr(GHashTable) volumes = g_hash_table_new(g_str_hash, g_str_equal);
    bound = 0;
    for (unsigned i = 0; i < claims->len; i++) {
      const json_t *claim = object_json(g_ptr_array_index(claims, i));
      if (strcmp(json_str(json_object_get(claim, "status"), "phase", ""), "Bound") != 0)
        continue;
      bound++;
      g_assert_true(
          g_hash_table_add(volumes, (gpointer)(uintptr_t)json_str(json_object_get(claim, "spec"), "volumeName", "")));
    }
    bound == 10;
  }));
  /* Those that are left get what becomes free. */
  for (int round = 10; round < 20; round++) {
    g_autofree char *volume = g_strdup_printf(VOLUME("vol-%d", "1Gi", ""), round, round);
    add_volume(cluster, volume);
  }
  for (int round = 0; round < 10; round++) {
    g_autofree char *first = g_strdup_printf("first-%d", round);
    g_autofree char *second = g_strdup_printf("second-%d", round);
    cluster_wait(claim_is(cluster, first, "Bound") && claim_is(cluster, second, "Bound"));
  }
}

static unsigned count_bound(Cluster *cluster)
{
  g_autoptr(GPtrArray) claims = cluster_list(cluster, "v1", "persistentvolumeclaims", NULL);
  unsigned bound = 0;
  for (unsigned i = 0; i < claims->len; i++)
    bound +=
        strcmp(json_str(json_at(object_json(g_ptr_array_index(claims, i)), "status", NULL), "phase", ""), "Bound") == 0;
  return bound;
}

/* Many claims wait, of many sizes, and then the volumes come, the largest first. Each goes to the claim that wants most
 * of it: none is left over. */
static void test_many(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  g_autofree char *last = g_strdup_printf("claim-%d", MANY - 1);
  for (int i = 0; i < MANY; i++) {
    g_autofree char *claim = g_strdup_printf(CLAIM("claim-%d", "%dMi", ""), i, i + 1);
    add_claim(cluster, claim);
  }
  cluster_wait(cluster_has_event(cluster, last, "FailedBinding", "no persistent volumes available"));
  for (int i = MANY; i-- > 0;) {
    g_autofree char *volume = g_strdup_printf(VOLUME("vol-%d", "%dMi", ""), i, i + 1, i);
    add_volume(cluster, volume);
  }
  cluster_wait(count_bound(cluster) == MANY);
}

/* A claim that cannot go yet, and wants nothing any more, holds up nobody. */
static void test_leaving_claim(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  add_claim(cluster, "{metadata: {name: leaving, finalizers: [example.com/held]}, spec: {accessModes: [ReadWriteOnce], "
                     "resources: {requests: {storage: 1Gi}}}}");
  delete_claim(cluster, "leaving");
  add_claim(cluster, CLAIM("data", "1Gi", ""));
  cluster_wait(cluster_has_event(cluster, "data", "FailedBinding", "no persistent volumes available"));
  add_volume(cluster, VOLUME("vol", "1Gi", ""));
  cluster_wait(claim_has(cluster, "data", "vol"));
  g_assert_true(cluster_exists(cluster, "v1", "persistentvolumeclaims", "leaving"));
}

/* Deleted at any moment of its binding, a claim leaves volumes Available or Released, never Bound. */
static void test_deleted_while_binding(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  for (int round = 0; round < 20; round++) {
    g_autofree char *name = g_strdup_printf("vol-%d", round);
    g_autofree char *volume = g_strdup_printf(VOLUME("vol-%d", "1Gi", ""), round, round);
    add_volume(cluster, volume);
    cluster_wait(volume_is(cluster, name, "Available"));
    add_claim(cluster, CLAIM("data", "1Gi", ""));
    if (round % 2)
      g_thread_yield();
    delete_claim(cluster, "data");
    cluster_wait(!cluster_exists(cluster, "v1", "persistentvolumeclaims", "data"));
    cluster_wait(volume_is(cluster, name, "Available") || volume_is(cluster, name, "Released"));
    cluster_delete(cluster, "v1", "persistentvolumes", false, name, NULL);
    cluster_wait(!cluster_exists(cluster, "v1", "persistentvolumes", name));
  }
}

/* A stop after each step of a binding: what starts next finds it and goes on. */
static void test_restart_in_the_middle(void)
{
  for (int step = 0; step < 4; step++) {
    g_autoptr(Cluster) cluster = cluster_new();
    cluster_stop(cluster);
    add_volume(cluster, VOLUME("smaller", "1Gi", ""));
    add_volume(cluster, VOLUME("vol", "2Gi", ""));
    add_claim(cluster, CLAIM("data", "1Gi", ""));
    g_autoptr(json_t) claim = claim_of(cluster, "data");
    g_autofree char *tied = g_strdup_printf(
        "{metadata: {annotations: {pv.kubernetes.io/bound-by-controller: 'yes'}}, spec: {claimRef: {kind: "
        "PersistentVolumeClaim, apiVersion: v1, namespace: default, name: data, uid: %s}}}",
        json_str(json_object_get(claim, "metadata"), "uid", ""));
    if (step > 0)
      cluster_patch(cluster, "v1", "persistentvolumes", "vol", tied);
    if (step > 1)
      cluster_set_status(cluster, "v1", "persistentvolumes", "vol", "{phase: Bound}");
    if (step > 2)
      cluster_patch(cluster, "v1", "persistentvolumeclaims", "data",
                    "{metadata: {annotations: {pv.kubernetes.io/bind-completed: 'yes', "
                    "pv.kubernetes.io/bound-by-controller: 'yes'}}, spec: {volumeName: vol}}");
    cluster_resume(cluster);
    cluster_wait(claim_is(cluster, "data", "Bound"));
    const char *expected = step > 0 ? "vol" : "smaller", *other = step > 0 ? "smaller" : "vol";
    cluster_wait(claim_has(cluster, "data", expected) && volume_is(cluster, expected, "Bound"));
    cluster_wait(volume_is(cluster, other, "Available"));
  }
}

/* Two volumes were tied to one claim, by two controllers: the one it has not got is let go. */
static void test_tied_twice(void)
{
  g_autoptr(Cluster) cluster = cluster_new();
  bind_one(cluster, VOLUME("vol", "1Gi", ""));
  g_autoptr(json_t) claim = claim_of(cluster, "data");
  g_autofree char *second =
      g_strdup_printf("{metadata: {name: second, annotations: {pv.kubernetes.io/bound-by-controller: 'yes'}}, spec: "
                      "{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /y}, claimRef: "
                      "{namespace: default, name: data, uid: %s}}}",
                      json_str(json_object_get(claim, "metadata"), "uid", ""));
  add_volume(cluster, second);
  cluster_wait(volume_is(cluster, "second", "Available"));
  g_autoptr(json_t) volume = volume_of(cluster, "second");
  g_assert_null(json_at(volume, "spec", "claimRef", NULL));
  g_assert_null(volume_annotation(volume, VOLUME_BOUND_BY_CONTROLLER));
  g_assert_true(claim_has(cluster, "data", "vol"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/volumes/match", test_match);
  g_test_add_func("/volumes/reserved", test_reserved);
  g_test_add_func("/volumes/index", test_index);
  g_test_add_func("/volumes/bind", test_bind);
  g_test_add_func("/volumes/waits-for-volume", test_waits_for_volume);
  g_test_add_func("/volumes/class-not-there", test_class_that_is_not_there);
  g_test_add_func("/volumes/default-class", test_default_class);
  g_test_add_func("/volumes/newest-default-class", test_newest_default_class);
  g_test_add_func("/volumes/reserved-mode-mismatch", test_reserved_mode_mismatch);
  g_test_add_func("/volumes/selector", test_selector);
  g_test_add_func("/volumes/volume-reserved", test_volume_reserved_for_claim);
  g_test_add_func("/volumes/claim-names-volume", test_claim_names_volume);
  g_test_add_func("/volumes/mode-mismatch", test_mode_mismatch);
  g_test_add_func("/volumes/waits-for-consumer", test_waits_for_consumer);
  g_test_add_func("/volumes/scheduler-reserves", test_scheduler_reserves);
  g_test_add_func("/volumes/retain", test_retain);
  g_test_add_func("/volumes/delete-fails", test_delete_fails);
  g_test_add_func("/volumes/recycle-without-recycler", test_recycle_without_recycler);
  g_test_add_func("/volumes/external-deleter", test_external_deleter);
  g_test_add_func("/volumes/lost", test_lost);
  g_test_add_func("/volumes/misbound", test_misbound);
  g_test_add_func("/volumes/two-claims", test_two_claims);
  g_test_add_func("/volumes/many", test_many);
  g_test_add_func("/volumes/leaving-claim", test_leaving_claim);
  g_test_add_func("/volumes/deleted-while-binding", test_deleted_while_binding);
  g_test_add_func("/volumes/restart", test_restart_in_the_middle);
  g_test_add_func("/volumes/tied-twice", test_tied_twice);
  return g_test_run();
}
