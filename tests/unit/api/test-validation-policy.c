/* Quotas, limit ranges, roles and their bindings, autoscalers, disruption budgets. */
#include "validation_case.h"

#define BASE_QUOTA                                                                                                     \
  "{'kind':'ResourceQuota','apiVersion':'v1','metadata':{'name':'q','namespace':'n'},'spec':{'hard':{'pods':'3'}}}"

static void test_quota(void)
{
  static const ValidationCase cases[] = {
    { "/spec/hard={'requests.gpu':'1'}",
      "[spec.hard[requests.gpu]: Invalid value: \"requests.gpu\": must be a standard resource type or fully qualified, "
      "spec.hard[requests.gpu]: Invalid value: \"requests.gpu\": must be a standard resource for quota]" },
    { "/spec/hard={'example.com/gpu':'1'}", "" },
    { "/spec/hard={'count/widgets.example.com':'1','requests.storage':'1Gi'}", "" },
    { "/spec/hard/pods='-1'", "spec.hard[pods]: Invalid value: \"-1\": must be greater than or equal to 0" },
    { "/spec/hard/pods='1.5'", "spec.hard[pods]: Invalid value: \"1500m\": must be an integer" },
    { "/spec/scopes=['Lazy']", "spec.scopes: Invalid value: []string{\"Lazy\"}: unsupported scope" },
    { "/spec/scopes=['BestEffort','NotBestEffort']",
      "spec.scopes: Invalid value: []string{\"BestEffort\", \"NotBestEffort\"}: conflicting scopes" },
    { "/spec/scopes=['BestEffort']; /spec/hard={'cpu':'1'}",
      "spec.scopes: Invalid value: []string{\"BestEffort\"}: unsupported scope applied to resource" },
    { "/spec/scopeSelector={'matchExpressions':[{'scopeName':'PriorityClass','operator':'In'}]}",
      "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' "
      "or 'NotIn' for scope selector" },
    { "/spec/scopeSelector={'matchExpressions':[{'scopeName':'Terminating','operator':'In','values':['x']}]}",
      "spec.scopeSelector.matchExpressions.operator: Invalid value: \"In\": must be 'Exists' when scope is any of "
      "ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
      "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity" },
    { "/spec/scopeSelector={'matchExpressions':[{'scopeName':'PriorityClass','operator':'Exists','values':['x']}]}",
      "spec.scopeSelector.matchExpressions.values: Invalid value: []string{\"x\"}: must be no value when `operator` is "
      "'Exist' or 'DoesNotExist' for scope selector" },
    { "/spec/scopeSelector={'matchExpressions':[{'scopeName':'PriorityClass','operator':'Like'}]}",
      "spec.scopeSelector.matchExpressions.operator: Invalid value: \"Like\": not a valid selector operator" },
  };
  case_creates(BASE_QUOTA, cases, G_N_ELEMENTS(cases));
}

static void test_quota_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/scopes=['BestEffort']", "spec.scopes: Invalid value: []string{\"BestEffort\"}: field is immutable" },
    { "/spec/hard/pods='5'", "" },
  };
  case_updates(BASE_QUOTA, cases, G_N_ELEMENTS(cases));
}

#define BASE_LIMIT_RANGE                                                                                               \
  "{'kind':'LimitRange','apiVersion':'v1','metadata':{'name':'l','namespace':'n'},'spec':{'limits':[{'type':'"         \
  "Container','max':{'cpu':'1'}}]}}"

static void test_limit_range(void)
{
  static const ValidationCase cases[] = {
    { "/spec/limits/0/type='Room'",
      "spec.limits[0].type: Invalid value: \"Room\": must be a standard limit type or fully qualified" },
    { "/spec/limits/0/type='Pod'; /spec/limits/0/default={'cpu':'1'}",
      "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'" },
    { "/spec/limits/1={'type':'Container'}", "spec.limits[1].type: Duplicate value: \"Container\"" },
    { "/spec/limits/0/min={'cpu':'2'}",
      "[spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1, "
      "spec.limits[0].defaultRequest[cpu]: Invalid value: \"1\": min value 2 is greater than default request value 1, "
      "spec.limits[0].default[cpu]: Invalid value: \"2\": min value 2 is greater than default value 1]" },
    { "/spec/limits/0/default={'cpu':'2'}",
      "[spec.limits[0].defaultRequest[cpu]: Invalid value: \"2\": default request value 2 is greater than max value 1, "
      "spec.limits[0].default[cpu]: Invalid value: \"1\": default value 2 is greater than max value 1]" },
    { "/spec/limits/0/defaultRequest={'cpu':'1'}; /spec/limits/0/default={'cpu':'500m'}",
      "spec.limits[0].defaultRequest[cpu]: Invalid value: \"1\": default request value 1 is greater than default limit "
      "value 500m" },
    { "/spec/limits/0/maxLimitRequestRatio={'cpu':'500m'}",
      "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"500m\": ratio 500m is less than 1" },
    { "/spec/limits/0/min={'cpu':'500m'}; /spec/limits/0/maxLimitRequestRatio={'cpu':'4'}",
      "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"4\": ratio 4 is greater than max/min = 2.000000" },
    { "/spec/limits/0={'type':'PersistentVolumeClaim'}",
      "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was "
      "provided" },
    { "/spec/limits/0/max={'foo':'1'}",
      "[spec.limits[0].max[foo]: Invalid value: \"foo\": must be a standard resource type or fully qualified, "
      "spec.limits[0].max[foo]: Invalid value: \"foo\": must be a standard resource for containers, "
      "spec.limits[0].default[foo]: Invalid value: \"foo\": must be a standard resource type or fully qualified, "
      "spec.limits[0].default[foo]: Invalid value: \"foo\": must be a standard resource for containers, "
      "spec.limits[0].defaultRequest[foo]: Invalid value: \"foo\": must be a standard resource type or fully "
      "qualified, spec.limits[0].defaultRequest[foo]: Invalid value: \"foo\": must be a standard resource for "
      "containers]" },
  };
  case_creates(BASE_LIMIT_RANGE, cases, G_N_ELEMENTS(cases));
}

#define BASE_ROLE                                                                                                      \
  "{'kind':'Role','apiVersion':'rbac.authorization.k8s.io/"                                                            \
  "v1','metadata':{'name':'system:r','namespace':'n'},'rules':[{'verbs':['get'],'apiGroups':[''],'resources':['pods']" \
  "}]}"

static void test_role(void)
{
  static const ValidationCase cases[] = {
    { "/rules/0/verbs=[]", "rules[0].verbs: Required value: verbs must contain at least one value" },
    { "/rules/0/apiGroups=null",
      "rules[0].apiGroups: Required value: resource rules must supply at least one api group" },
    { "/rules/0/resources=null",
      "rules[0].resources: Required value: resource rules must supply at least one resource" },
    { "/rules/0={'verbs':['get'],'nonResourceURLs':['/x']}",
      "rules[0].nonResourceURLs: Invalid value: []string{\"/x\"}: namespaced rules cannot apply to non-resource URLs" },
    { "/metadata/name='a/b'", "metadata.name: Invalid value: \"a/b\": may not contain '/'" },
  };
  case_creates(BASE_ROLE, cases, G_N_ELEMENTS(cases));
}

static void test_role_update(void)
{
  static const ValidationCase cases[] = {
    { "/rules/0/verbs=[]", "rules[0].verbs: Required value: verbs must contain at least one value" },
  };
  case_updates(BASE_ROLE, cases, G_N_ELEMENTS(cases));
}

#define BASE_CLUSTER_ROLE                                                                                              \
  "{'kind':'ClusterRole','apiVersion':'rbac.authorization.k8s.io/v1','metadata':{'name':'r'},'rules':[]}"

static void test_cluster_role(void)
{
  static const ValidationCase cases[] = {
    { "/rules=[{'verbs':['get'],'nonResourceURLs':['/x']}]", "" },
    { "/rules=[{'verbs':['get'],'nonResourceURLs':['/x'],'resources':['pods']}]",
      "rules[0].nonResourceURLs: Invalid value: []string{\"/x\"}: rules cannot apply to both regular resources and "
      "non-resource URLs" },
    { "/aggregationRule={'clusterRoleSelectors':[]}",
      "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if "
      "aggregationRule is non-nil" },
  };
  case_creates(BASE_CLUSTER_ROLE, cases, G_N_ELEMENTS(cases));
}

#define BASE_ROLE_BINDING                                                                                              \
  "{'kind':'RoleBinding','apiVersion':'rbac.authorization.k8s.io/"                                                     \
  "v1','metadata':{'name':'b','namespace':'n'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io','kind':'Role','name'" \
  ":'r'},'subjects':[{'kind':'User','name':'u'}]}"

static void test_role_binding(void)
{
  static const ValidationCase cases[] = {
    { "/roleRef/kind='Group'",
      "roleRef.kind: Unsupported value: \"Group\": supported values: \"Role\", \"ClusterRole\"" },
    { "/roleRef/name=null", "roleRef.name: Required value" },
    { "/roleRef/apiGroup='example.com'",
      "roleRef.apiGroup: Unsupported value: \"example.com\": supported values: \"rbac.authorization.k8s.io\"" },
    { "/subjects/0/name=''", "subjects[0].name: Required value" },
    { "/subjects/0/kind='Robot'",
      "subjects[0].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\"" },
    { "/subjects/0={'kind':'ServiceAccount','name':'A','apiGroup':'x'}",
      "[subjects[0].name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
      "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
      "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), subjects[0].apiGroup: "
      "Unsupported value: \"x\": supported values: \"\"]" },
    { "/subjects/0={'kind':'User','name':'u','apiGroup':'x'}",
      "subjects[0].apiGroup: Unsupported value: \"x\": supported values: \"rbac.authorization.k8s.io\"" },
    { "/subjects/0={'kind':'ServiceAccount','name':'a'}", "" },
  };
  case_creates(BASE_ROLE_BINDING, cases, G_N_ELEMENTS(cases));
}

static void test_role_binding_update(void)
{
  static const ValidationCase cases[] = {
    { "/roleRef/name='s'", "roleRef: Invalid value: rbac.RoleRef{APIGroup:\"rbac.authorization.k8s.io\", "
                           "Kind:\"Role\", Name:\"s\"}: cannot change roleRef" },
    { "/subjects=null", "" },
  };
  case_updates(BASE_ROLE_BINDING, cases, G_N_ELEMENTS(cases));
}

#define BASE_CLUSTER_ROLE_BINDING                                                                                      \
  "{'kind':'ClusterRoleBinding','apiVersion':'rbac.authorization.k8s.io/"                                              \
  "v1','metadata':{'name':'b'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io','kind':'ClusterRole','name':'r'}}"

static void test_cluster_role_binding(void)
{
  static const ValidationCase cases[] = {
    { "/roleRef/kind='Role'", "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"" },
    { "/subjects=[{'kind':'ServiceAccount','name':'a'}]", "subjects[0].namespace: Required value" },
  };
  case_creates(BASE_CLUSTER_ROLE_BINDING, cases, G_N_ELEMENTS(cases));
}

static void test_cluster_role_binding_update(void)
{
  static const ValidationCase cases[] = {
    { "/roleRef/name='s'", "roleRef: Invalid value: rbac.RoleRef{APIGroup:\"rbac.authorization.k8s.io\", "
                           "Kind:\"ClusterRole\", Name:\"s\"}: cannot change roleRef" },
  };
  case_updates(BASE_CLUSTER_ROLE_BINDING, cases, G_N_ELEMENTS(cases));
}

#define BASE_AUTOSCALER                                                                                                \
  "{'kind':'HorizontalPodAutoscaler','apiVersion':'autoscaling/"                                                       \
  "v2','metadata':{'name':'h','namespace':'n'},'spec':{'scaleTargetRef':{'kind':'Deployment','name':'d','apiVersion':" \
  "'apps/v1'},'maxReplicas':5}}"

static void test_autoscaler(void)
{
  static const ValidationCase cases[] = {
    { "/spec/minReplicas=0", "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1" },
    { "/spec/maxReplicas=0", "[spec.maxReplicas: Invalid value: 0: must be greater than 0, spec.maxReplicas: Invalid "
                             "value: 0: must be greater than or equal to `minReplicas`]" },
    { "/spec/minReplicas=6", "spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`" },
    { "/spec/scaleTargetRef/kind=''", "spec.scaleTargetRef.kind: Required value" },
    { "/spec/scaleTargetRef/name='a/b'", "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'" },
    { "/spec/metrics=[{'type':'Weather'}]", "spec.metrics[0].type: Unsupported value: \"Weather\": supported values: "
                                            "\"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\"" },
    { "/spec/metrics=[{'type':'Resource'}]",
      "spec.metrics[0].resource: Required value: must populate information for the given metric source" },
    { "/spec/metrics=[{'type':'Resource','resource':{'name':'cpu','target':{'type':'Utilization'}}}]",
      "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a "
      "target utilization" },
    { "/spec/"
      "metrics=[{'type':'Resource','resource':{'name':'cpu','target':{'type':'Utilization','averageUtilization':0}}}]",
      "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0" },
    { "/spec/"
      "metrics=[{'type':'Resource','resource':{'name':'','target':{'type':'Much','averageUtilization':50,'averageValue'"
      ":'1'}}}]",
      "[spec.metrics[0].resource.target.type: Invalid value: \"Much\": must be either Utilization, Value, or "
      "AverageValue, spec.metrics[0].resource.name: Required value: must specify a resource name, "
      "spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw value and a target "
      "utilization]" },
    { "/spec/metrics=[{'type':'Pods','pods':{'metric':{'name':''},'target':{'type':'AverageValue'}}}]",
      "[spec.metrics[0].pods.metric.name: Required value: must specify a metric name, "
      "spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue]" },
    { "/spec/"
      "metrics=[{'type':'External','external':{'metric':{'name':'q'},'target':{'type':'Value','value':'1','"
      "averageValue':'1'}}}]",
      "spec.metrics[0].external.target.value: Forbidden: may not set both a target value for metric and a per-pod "
      "target" },
    { "/spec/"
      "metrics=[{'type':'ContainerResource','containerResource':{'name':'cpu','container':'','target':{'type':'"
      "Utilization','averageUtilization':5}}}]",
      "spec.metrics[0].containerResource.container: Required value: must specify a container" },
    { "/spec/behavior={'scaleUp':{'policies':[]}}",
      "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy" },
    { "/spec/"
      "behavior={'scaleDown':{'stabilizationWindowSeconds':4000,'selectPolicy':'Any','policies':[{'type':'Bits','value'"
      ":0,'periodSeconds':2000}]}}",
      "[spec.behavior.scaleDown.selectPolicy: Unsupported value: \"Any\": supported values: \"Disabled\", \"Max\", "
      "\"Min\", spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 4000: must be less than or equal to "
      "3600, spec.behavior.scaleDown.policies[0].type: Unsupported value: \"Bits\": supported values: \"Percent\", "
      "\"Pods\", spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero, "
      "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 2000: must be less than or equal to 1800]" },
  };
  case_creates(BASE_AUTOSCALER, cases, G_N_ELEMENTS(cases));
}

#define BASE_BUDGET                                                                                                    \
  "{'kind':'PodDisruptionBudget','apiVersion':'policy/"                                                                \
  "v1','metadata':{'name':'p','namespace':'n'},'spec':{'minAvailable':1,'selector':{}}}"

static void test_budget(void)
{
  static const ValidationCase cases[] = {
    { "/spec/maxUnavailable=1", "spec: Invalid value: {\"minAvailable\":1,\"selector\":{},\"maxUnavailable\":1}: "
                                "minAvailable and maxUnavailable cannot be both set" },
    { "/spec/minAvailable=-1", "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/minAvailable='half'",
      "spec.minAvailable: Invalid value: \"half\": a valid percent string must be a numeric string followed by an "
      "ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')" },
    { "/spec/minAvailable='120%'", "spec.minAvailable: Invalid value: \"120%\": must not be greater than 100%" },
    { "/spec/minAvailable=null; /spec/maxUnavailable='10%'", "" },
    { "/spec/unhealthyPodEvictionPolicy='Never'", "spec.unhealthyPodEvictionPolicy: Unsupported value: \"Never\": "
                                                  "supported values: \"AlwaysAllow\", \"IfHealthyBudget\"" },
  };
  case_creates(BASE_BUDGET, cases, G_N_ELEMENTS(cases));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/validation/policy/quota", test_quota);
  g_test_add_func("/validation/policy/quota/update", test_quota_update);
  g_test_add_func("/validation/policy/limit-range", test_limit_range);
  g_test_add_func("/validation/policy/role", test_role);
  g_test_add_func("/validation/policy/role/update", test_role_update);
  g_test_add_func("/validation/policy/cluster-role", test_cluster_role);
  g_test_add_func("/validation/policy/role-binding", test_role_binding);
  g_test_add_func("/validation/policy/role-binding/update", test_role_binding_update);
  g_test_add_func("/validation/policy/cluster-role-binding", test_cluster_role_binding);
  g_test_add_func("/validation/policy/cluster-role-binding/update", test_cluster_role_binding_update);
  g_test_add_func("/validation/policy/autoscaler", test_autoscaler);
  g_test_add_func("/validation/policy/budget", test_budget);
  return g_test_run();
}
