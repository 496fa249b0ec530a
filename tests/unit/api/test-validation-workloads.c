/* Deployments, daemon sets, stateful sets; nodes. */
#include "validation_case.h"

#define BASE_DEPLOYMENT                                                                                                \
  "{'kind':'Deployment','apiVersion':'apps/"                                                                           \
  "v1','metadata':{'name':'d','namespace':'n'},'spec':{'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{'" \
  "labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'i'}]}}}}"

static void test_deployment(void)
{
  static const ValidationCase cases[] = {
    { "/spec/replicas=-1", "spec.replicas: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/selector={}",
      "spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string(nil), "
      "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: empty selector is invalid for deployment" },
    { "/spec/selector=null", "[spec.selector: Required value, spec.template.metadata.labels: Invalid value: "
                             "map[string]string{\"a\":\"b\"}: `selector` does not match template `labels`]" },
    { "/spec/template/metadata/labels={'a':'c'}",
      "spec.template.metadata.labels: Invalid value: map[string]string{\"a\":\"c\"}: `selector` does not match "
      "template `labels`" },
    { "/spec/template/metadata/labels={'a':'b','c_':'!'}",
      "[spec.template.labels: Invalid value: \"c_\": name part must consist of alphanumeric characters, '-', '_' or "
      "'.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
      "used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), spec.template.labels: Invalid value: \"!\": "
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
      "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
      "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')]" },
    { "/spec/template/spec/restartPolicy='Never'",
      "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"" },
    { "/spec/template/spec/activeDeadlineSeconds=5",
      "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported" },
    { "/spec/template/spec/containers=[]", "spec.template.spec.containers: Required value" },
    { "/spec/strategy={'type':'Sometimes'}",
      "spec.strategy.type: Unsupported value: \"Sometimes\": supported values: \"Recreate\", \"RollingUpdate\"" },
    { "/spec/strategy={'type':'Recreate','rollingUpdate':{'maxSurge':1}}",
      "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'" },
    { "/spec/strategy={'rollingUpdate':{'maxSurge':0,'maxUnavailable':'0%'}}",
      "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0" },
    { "/spec/strategy={'rollingUpdate':{'maxSurge':'x','maxUnavailable':-1}}",
      "[spec.strategy.rollingUpdate.maxUnavailable: Invalid value: -1: must be greater than or equal to 0, "
      "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x\": a valid percent string must be a numeric string "
      "followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')]" },
    { "/spec/strategy={'rollingUpdate':{'maxUnavailable':'150%'}}",
      "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"150%\": must not be greater than 100%" },
    { "/spec/minReadySeconds=-1", "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/minReadySeconds=600",
      "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds" },
    { "/spec/revisionHistoryLimit=-1",
      "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0" },
  };
  case_creates(BASE_DEPLOYMENT, cases, G_N_ELEMENTS(cases));
}

static void test_deployment_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/selector/matchLabels={'a':'b','c':'d'}",
      "[spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{\"a\":\"b\", \"c\":\"d\"}, "
      "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable, spec.template.metadata.labels: "
      "Invalid value: map[string]string{\"a\":\"b\"}: `selector` does not match template `labels`]" },
    { "/spec/replicas=3", "" },
  };
  case_updates(BASE_DEPLOYMENT, cases, G_N_ELEMENTS(cases));
}

#define BASE_DAEMON_SET                                                                                                \
  "{'kind':'DaemonSet','apiVersion':'apps/"                                                                            \
  "v1','metadata':{'name':'d','namespace':'n'},'spec':{'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{'" \
  "labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'i'}]}}}}"

static void test_daemon_set(void)
{
  static const ValidationCase cases[] = {
    { "/spec/updateStrategy={'type':'Never'}",
      "spec.updateStrategy.type: Unsupported value: \"Never\": supported values: \"RollingUpdate\", \"OnDelete\"" },
    { "/spec/updateStrategy={'rollingUpdate':{'maxUnavailable':0}}",
      "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0" },
    { "/spec/updateStrategy={'rollingUpdate':{'maxUnavailable':1,'maxSurge':1}}",
      "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero" },
    { "/spec/updateStrategy={'rollingUpdate':{'maxUnavailable':0,'maxSurge':1}}", "" },
    { "/spec/updateStrategy={'rollingUpdate':{'maxUnavailable':'101%'}}",
      "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%" },
    { "/spec/template/spec/restartPolicy='OnFailure'",
      "spec.template.spec.restartPolicy: Unsupported value: \"OnFailure\": supported values: \"Always\"" },
    { "/metadata/annotations={'deprecated.daemonset.template.generation':'x'}",
      "metadata.annotations[deprecated.daemonset.template.generation]: Invalid value: \"x\": must be an integer" },
  };
  case_creates(BASE_DAEMON_SET, cases, G_N_ELEMENTS(cases));
}

#define BASE_STATEFUL_SET                                                                                              \
  "{'kind':'StatefulSet','apiVersion':'apps/"                                                                          \
  "v1','metadata':{'name':'s','namespace':'n'},'spec':{'serviceName':'x','selector':{'matchLabels':{'a':'b'}},'"       \
  "template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'i','volumeMounts':[{'name':'" \
  "data','mountPath':'/"                                                                                               \
  "d'}]}]}},'volumeClaimTemplates':[{'metadata':{'name':'data'},'spec':{'accessModes':['ReadWriteOnce'],'resources':{" \
  "'requests':{'storage':'1Gi'}}}}]}}"

static void test_stateful_set(void)
{
  static const ValidationCase cases[] = {
    { "/metadata/name='a.b'",
      "metadata.name: Invalid value: \"a.b\": a lowercase RFC 1123 label must consist of lower case alphanumeric "
      "characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
      "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')" },
    { "/spec/podManagementPolicy='Random'",
      "spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'" },
    { "/spec/updateStrategy={'type':'Never'}",
      "spec.updateStrategy: Invalid value: map[string]string{\"type\":\"Never\"}: must be 'RollingUpdate' or "
      "'OnDelete'" },
    { "/spec/updateStrategy={'type':'OnDelete','rollingUpdate':{'partition':1}}",
      "spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for updateStrategy "
      "'RollingUpdate'" },
    { "/spec/updateStrategy={'rollingUpdate':{'partition':-1}}",
      "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/updateStrategy={'rollingUpdate':{'maxUnavailable':0}}",
      "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0" },
    { "/spec/ordinals={'start':-1}", "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/persistentVolumeClaimRetentionPolicy={'whenScaled':'Burn'}",
      "spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: \"Burn\": supported values: "
      "\"Retain\", \"Delete\"" },
    { "/spec/template/spec/restartPolicy='Never'",
      "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"" },
  };
  case_creates(BASE_STATEFUL_SET, cases, G_N_ELEMENTS(cases));
}

static void test_stateful_set_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/serviceName='y'",
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
      "'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden" },
    { "/spec/template/spec/containers/0/image='j'", "" },
    { "/spec/podManagementPolicy='Parallel'",
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
      "'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden" },
  };
  case_updates(BASE_STATEFUL_SET, cases, G_N_ELEMENTS(cases));
}

#define BASE_CONTROLLER                                                                                                \
  "{'kind':'ReplicationController','apiVersion':'v1','metadata':{'name':'r','namespace':'n'},'spec':{'selector':{'a':" \
  "'b'},'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'i'}]}}}}"

static void test_controller(void)
{
  static const ValidationCase cases[] = {
    { "/spec/replicas=-1", "spec.replicas: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/selector={'a':'c'}", "spec.template.metadata.labels: Invalid value: map[string]string{\"a\":\"b\"}: "
                                  "`selector` does not match template `labels`" },
    { "/spec/template=null", "spec.template: Required value" },
    { "/spec/template/spec/restartPolicy='Never'",
      "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"" },
  };
  case_creates(BASE_CONTROLLER, cases, G_N_ELEMENTS(cases));
}

#define BASE_NODE                                                                                                      \
  "{'kind':'Node','apiVersion':'v1','metadata':{'name':'n'},'spec':{'podCIDR':'10.1.0.0/24','providerID':'p'}}"

static void test_node(void)
{
  static const ValidationCase cases[] = {
    { "/spec/taints=[{'key':'','effect':''}]",
      "[metadata.taints[0].key: Invalid value: \"\": name part must be non-empty, metadata.taints[0].key: Invalid "
      "value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
      "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
      "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), metadata.taints[0].effect: Required value]" },
    { "/spec/taints=[{'key':'a','effect':'Kill'}]", "metadata.taints[0].effect: Unsupported value: \"Kill\": supported "
                                                    "values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"" },
    { "/spec/taints=[{'key':'a','effect':'NoExecute'},{'key':'a','value':'b','effect':'NoExecute'}]",
      "metadata.taints[1]: Duplicate value: map[string]string{\"effect\":\"NoExecute\", \"key\":\"a\", "
      "\"value\":\"b\"}: taints must be unique by key and effect pair" },
    { "/spec/podCIDRs=['x']",
      "spec.podCIDRs[0]: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)" },
  };
  case_creates(BASE_NODE, cases, G_N_ELEMENTS(cases));
}

static void test_node_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/podCIDR='10.2.0.0/24'; /spec/podCIDRs=['10.2.0.0/24']",
      "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid" },
    { "/spec/providerID='q'",
      "spec.providerID: Forbidden: node updates may not change providerID except from \"\" to valid" },
    { "/spec/unschedulable=true", "" },
  };
  case_updates(BASE_NODE, cases, G_N_ELEMENTS(cases));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/validation/workloads/deployment", test_deployment);
  g_test_add_func("/validation/workloads/deployment/update", test_deployment_update);
  g_test_add_func("/validation/workloads/daemon-set", test_daemon_set);
  g_test_add_func("/validation/workloads/stateful-set", test_stateful_set);
  g_test_add_func("/validation/workloads/stateful-set/update", test_stateful_set_update);
  g_test_add_func("/validation/workloads/controller", test_controller);
  g_test_add_func("/validation/workloads/node", test_node);
  g_test_add_func("/validation/workloads/node/update", test_node_update);
  return g_test_run();
}
