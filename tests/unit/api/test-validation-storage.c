/* Volumes, claims and storage classes. */
#include "validation_case.h"

#define BASE_VOLUME                                                                                                    \
  "{'kind':'PersistentVolume','apiVersion':'v1','metadata':{'name':'v'},'spec':{'capacity':{'storage':'1Gi'},'"        \
  "accessModes':['ReadWriteOnce'],'hostPath':{'path':'/x'}}}"

static void test_volume(void)
{
  static const ValidationCase cases[] = {
    { "/spec/accessModes=null", "spec.accessModes: Required value" },
    { "/spec/accessModes=['ReadSome']",
      "spec.accessModes: Unsupported value: \"ReadSome\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", "
      "\"ReadWriteOnce\", \"ReadWriteOncePod\"" },
    { "/spec/accessModes=['ReadWriteOncePod','ReadWriteOnce']",
      "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes" },
    { "/spec/capacity=null", "[spec.capacity: Required value, spec.capacity: Unsupported value: map[string]string{}: "
                             "supported values: \"storage\"]" },
    { "/spec/capacity/storage='0'", "spec.capacity[storage]: Invalid value: \"0\": must be greater than zero" },
    { "/spec/capacity/cpu='1'", "spec.capacity: Unsupported value: map[string]string{\"cpu\":\"1\", "
                                "\"storage\":\"1Gi\"}: supported values: \"storage\"" },
    { "/spec/persistentVolumeReclaimPolicy='Burn'", "spec.persistentVolumeReclaimPolicy: Unsupported value: \"Burn\": "
                                                    "supported values: \"Delete\", \"Recycle\", \"Retain\"" },
    { "/spec/persistentVolumeReclaimPolicy='Recycle'; /spec/hostPath/path='/'",
      "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'" },
    { "/spec/hostPath=null", "spec: Required value: must specify a volume type" },
    { "/spec/nfs={'server':'s','path':'/p'}", "spec.nfs: Forbidden: may not specify more than 1 volume type" },
    { "/spec/hostPath=null; /spec/local={'path':'/d'}",
      "spec.nodeAffinity: Required value: Local volume requires node affinity" },
    { "/spec/nodeAffinity={}", "spec.nodeAffinity.required: Required value: must specify required node constraints" },
    { "/spec/storageClassName='A'",
      "spec.storageClassName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case "
      "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
      "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')" },
    { "/spec/volumeMode='Tape'",
      "spec.volumeMode: Unsupported value: \"Tape\": supported values: \"Block\", \"Filesystem\"" },
  };
  case_creates(BASE_VOLUME, cases, G_N_ELEMENTS(cases));
}

static void test_volume_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/hostPath/path='/y'",
      "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n" },
    { "/spec/volumeMode='Block'", "volumeMode: Invalid value: \"Block\": field is immutable" },
    { "/spec/persistentVolumeReclaimPolicy='Delete'", "" },
    { "/spec/capacity/storage='2Gi'", "" },
  };
  case_updates(BASE_VOLUME, cases, G_N_ELEMENTS(cases));
}

#define BASE_CLAIM                                                                                                     \
  "{'kind':'PersistentVolumeClaim','apiVersion':'v1','metadata':{'name':'c','namespace':'n'},'spec':{'accessModes':['" \
  "ReadWriteOnce'],'resources':{'requests':{'storage':'1Gi'}}}}"

static void test_claim(void)
{
  static const ValidationCase cases[] = {
    { "/spec/accessModes=[]", "spec.accessModes: Required value: at least 1 access mode is required" },
    { "/spec/resources=null", "spec.resources[storage]: Required value" },
    { "/spec/resources/requests/storage='0'",
      "spec.resources[storage]: Invalid value: \"0\": must be greater than zero" },
    { "/spec/volumeMode='Tape'",
      "spec.volumeMode: Unsupported value: \"Tape\": supported values: \"Block\", \"Filesystem\"" },
    { "/spec/storageClassName='a_b'",
      "spec.storageClassName: Invalid value: \"a_b\": a lowercase RFC 1123 subdomain must consist of lower case "
      "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
      "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')" },
    { "/spec/storageClassName=''", "" },
    { "/spec/dataSource={'kind':'Pod','name':''}",
      "[spec.dataSource.name: Required value, spec.dataSource: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' "
      "when referencing the default apiGroup]" },
    { "/spec/dataSource={'apiGroup':'snapshot.storage.k8s.io','kind':'VolumeSnapshot','name':'s'}", "" },
    { "/spec/selector={'matchExpressions':[{'key':'a','operator':'In'}]}",
      "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or "
      "'NotIn'" },
  };
  case_creates(BASE_CLAIM, cases, G_N_ELEMENTS(cases));
}

static void test_claim_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/volumeName='v'", "" },
    { "/spec/storageClassName='fast'", "" },
    { "/spec/accessModes=['ReadOnlyMany']", "spec: Forbidden: spec is immutable after creation except "
                                            "resources.requests and volumeAttributesClassName for bound claims\n" },
    { "/spec/resources/requests/storage='2Gi'", "spec: Forbidden: spec is immutable after creation except "
                                                "resources.requests and volumeAttributesClassName for bound claims\n" },
  };
  case_updates(BASE_CLAIM, cases, G_N_ELEMENTS(cases));
}

#define BASE_STORAGE_CLASS                                                                                             \
  "{'kind':'StorageClass','apiVersion':'storage.k8s.io/v1','metadata':{'name':'s'},'provisioner':'example.com/disks'}"

static void test_storage_class(void)
{
  static const ValidationCase cases[] = {
    { "/provisioner=null", "provisioner: Required value" },
    { "/provisioner='a b'",
      "provisioner: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and "
      "must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
      "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')" },
    { "/reclaimPolicy='Recycle'",
      "reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", \"Retain\"" },
    { "/volumeBindingMode='Late'",
      "volumeBindingMode: Unsupported value: \"Late\": supported values: \"Immediate\", \"WaitForFirstConsumer\"" },
    { "/parameters={'':'x'}", "parameters: Invalid value: \"x\": field can not be empty." },
    { "/allowedTopologies=[{'matchLabelExpressions':[{'key':'z','values':[]}]}]",
      "allowedTopologies[0].matchLabelExpressions[0].values: Required value" },
    { "/allowedTopologies=[{'matchLabelExpressions':[{'key':'z','values':['a','a']},{'key':'z','values':['b']}]}]",
      "[allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: \"a\", "
      "allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: \"z\"]" },
  };
  case_creates(BASE_STORAGE_CLASS, cases, G_N_ELEMENTS(cases));
}

static void test_storage_class_update(void)
{
  static const ValidationCase cases[] = {
    { "/parameters={'a':'b'}", "parameters: Forbidden: updates to parameters are forbidden." },
    { "/provisioner='example.com/tapes'", "provisioner: Forbidden: updates to provisioner are forbidden." },
    { "/reclaimPolicy='Retain'", "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden." },
    { "/volumeBindingMode='WaitForFirstConsumer'",
      "volumeBindingMode: Invalid value: \"WaitForFirstConsumer\": field is immutable" },
    { "/allowVolumeExpansion=true", "" },
  };
  case_updates(BASE_STORAGE_CLASS, cases, G_N_ELEMENTS(cases));
}

#define BASE_ATTRIBUTES                                                                                                \
  "{'apiVersion':'storage.k8s.io/v1beta1','kind':'VolumeAttributesClass','metadata':{'name':'fast'},"                  \
  "'driverName':'example.com','parameters':{'iops':'100'}}"

static void test_attributes_class(void)
{
  static const ValidationCase cases[] = {
    { "", "" },
    { "/parameters={}", "parameters: Required value: must contain at least one key/value pair" },
    { "/driverName=''", "driverName: Required value" },
  };
  static const ValidationCase updates[] = {
    { "/parameters={'iops':'200'}", "parameters: Forbidden: updates to parameters are forbidden." },
    { "/driverName='example.org'", "driverName: Forbidden: updates to driverName are forbidden." },
  };
  case_creates(BASE_ATTRIBUTES, cases, G_N_ELEMENTS(cases));
  case_updates(BASE_ATTRIBUTES, updates, G_N_ELEMENTS(updates));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/validation/storage/volume", test_volume);
  g_test_add_func("/validation/storage/volume/update", test_volume_update);
  g_test_add_func("/validation/storage/claim", test_claim);
  g_test_add_func("/validation/storage/claim/update", test_claim_update);
  g_test_add_func("/validation/storage/storage-class", test_storage_class);
  g_test_add_func("/validation/storage/storage-class/update", test_storage_class_update);
  g_test_add_func("/validation/storage/attributes-class", test_attributes_class);
  return g_test_run();
}
