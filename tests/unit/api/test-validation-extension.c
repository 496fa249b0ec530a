/* What extends the API: APIServices, CustomResourceDefinitions, webhooks, admission policies; flow control. */
#include "base/json.h"
#include "validation_case.h"

#define API_SERVICE                                                                                                    \
  "{'kind':'APIService','apiVersion':'apiregistration.k8s.io/v1','metadata':{'name':'v1.example.com'},'spec':{"        \
  "'service':{'namespace':'n','name':'s'},'group':'example.com','version':'v1','groupPriorityMinimum':1000,"           \
  "'versionPriority':15}}"

static void test_api_service(void)
{
  static const ValidationCase cases[] = {
    { "/spec/group='other.com'",
      "metadata.name: Invalid value: \"v1.example.com\": must be `spec.version+\".\"+spec.group`: \"v1.other.com\"" },
    { "/spec/groupPriorityMinimum=0; /spec/versionPriority=1001",
      "[spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000, spec.versionPriority: "
      "Invalid "
      "value: 1001: must be positive and less than 1000]" },
    { "/spec/service/name=null; /spec/service/port=70000", "[spec.service.name: Required value, spec.service.port: "
                                                           "Invalid value: 70000: port is not valid: must be between 1 "
                                                           "and 65535, inclusive]" },
    { "/spec/insecureSkipTLSVerify=true; /spec/caBundle='QQ=='",
      "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present" },
    { "/spec/service=null; /spec/insecureSkipTLSVerify=true; /spec/caBundle='QQ=='",
      "[spec.caBundle: Invalid value: \"1 bytes\": local APIServices may not have a caBundle, "
      "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify]" },
  };
  case_creates(API_SERVICE, cases, G_N_ELEMENTS(cases));
  g_autoptr(json_t) stored = case_create(API_SERVICE);
  g_assert_cmpint(json_integer_value(json_at(stored, "spec", "service", "port", NULL)), ==, 443);
}

static void test_local_api_service(void)
{
  g_autoptr(json_t) stored =
      case_create("{'kind':'APIService','apiVersion':'apiregistration.k8s.io/v1','metadata':{'name':'v1.apps'},'spec':{"
                  "'group':'apps','version':'v1','groupPriorityMinimum':1000,'versionPriority':15}}");
  const json_t *condition = json_array_get(json_at(stored, "status", "conditions", NULL), 0);
  g_assert_cmpstr(json_str(condition, "reason", ""), ==, "Local");
}

static void test_definition_defaults(void)
{
  g_autoptr(json_t) stored = case_create(
      "{'kind':'CustomResourceDefinition','apiVersion':'apiextensions.k8s.io/v1','metadata':{'name':'tabs.e.com'},"
      "'spec':{'group':'e.com','scope':'Namespaced','names':{'plural':'tabs','kind':'CronTab'},'versions':[{'name':'v1'"
      ","
      "'served':true,'storage':true,'schema':{'openAPIV3Schema':{'type':'object'}}}]}}");
  case_equal(json_at(stored, "spec", "names", NULL),
             "{'plural':'tabs','singular':'crontab','kind':'CronTab','listKind':'CronTabList'}");
  case_equal(json_at(stored, "spec", "conversion", NULL), "{'strategy':'None'}");
}

#define WEBHOOKS                                                                                                       \
  "{'kind':'ValidatingWebhookConfiguration','apiVersion':'admissionregistration.k8s.io/v1','metadata':{'name':'w'},"   \
  "'webhooks':[{'name':'a.b.c','sideEffects':'None','admissionReviewVersions':['v1'],'clientConfig':{'service':{"      \
  "'namespace':'n','name':'s'}},'rules':[{'operations':['CREATE'],'apiGroups':[''],'apiVersions':['v1'],'resources':[" \
  "'pods']}]}]}"

static void test_webhook_defaults(void)
{
  g_autoptr(json_t) stored = case_create(WEBHOOKS);
  case_equal(
      json_array_get(json_object_get(stored, "webhooks"), 0),
      "{'name':'a.b.c','clientConfig':{'service':{'namespace':'n','name':'s','port':443}},'rules':[{'operations':["
      "'CREATE'],'apiGroups':[''],'apiVersions':['v1'],'resources':['pods'],'scope':'*'}],'failurePolicy':'Fail',"
      "'matchPolicy':'Equivalent','namespaceSelector':{},'objectSelector':{},'sideEffects':'None',"
      "'timeoutSeconds':10,'admissionReviewVersions':['v1']}");
}

static void test_webhooks(void)
{
  static const ValidationCase cases[] = {
    { "/webhooks/0/name='a.b'",
      "webhooks[0].name: Invalid value: \"a.b\": should be a domain with at least three segments "
      "separated by dots" },
    { "/webhooks/0/name=''", "webhooks[0].name: Required value" },
    { "/webhooks/0/sideEffects=null",
      "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun" },
    { "/webhooks/0/sideEffects='Some'",
      "webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"" },
    { "/webhooks/0/failurePolicy='x'; /webhooks/0/matchPolicy='y'",
      "[webhooks[0].failurePolicy: Unsupported value: \"x\": supported values: \"Fail\", \"Ignore\", "
      "webhooks[0].matchPolicy: Unsupported value: \"y\": supported values: \"Equivalent\", \"Exact\"]" },
    { "/webhooks/0/timeoutSeconds=31",
      "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds" },
    { "/webhooks/0/clientConfig/url='https://x'",
      "webhooks[0].clientConfig: Required value: exactly one of url or service is required" },
    { "/webhooks/0/clientConfig={'url':'http://u@h/?q#f'}",
      "[webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: "
      "https://host[/path], webhooks[0].clientConfig.url: Invalid value: \"u\": user information is not permitted in "
      "the "
      "URL, webhooks[0].clientConfig.url: Invalid value: \"f\": fragments are not permitted in the URL, "
      "webhooks[0].clientConfig.url: Invalid value: \"q\": query parameters are not permitted in the URL]" },
    { "/webhooks/0/clientConfig/service={'path':'a//b','port':0}",
      "[webhooks[0].clientConfig.service.name: Required value: service name is required, "
      "webhooks[0].clientConfig.service.namespace: Required value: service namespace is required, "
      "webhooks[0].clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, "
      "inclusive, "
      "webhooks[0].clientConfig.service.path: Invalid value: \"a//b\": must start with a '/', "
      "webhooks[0].clientConfig.service.path: Invalid value: \"a//b\": segment[0] may not be empty, "
      "webhooks[0].clientConfig.service.path: Invalid value: \"a//b\": segment[1] may not be empty]" },
    { "/webhooks/0/admissionReviewVersions=['v2','v2']",
      "[webhooks[0].admissionReviewVersions[1]: Invalid value: \"v2\": duplicate version, "
      "webhooks[0].admissionReviewVersions: Invalid value: []string{\"v2\", \"v2\"}: must include at least one of v1, "
      "v1beta1]" },
    { "/webhooks/0/admissionReviewVersions=[]",
      "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1" },
    { "/webhooks/0/rules/0/operations=['*','CREATE']; /webhooks/0/rules/0/apiGroups=[]",
      "[webhooks[0].rules[0].operations: Invalid value: []string{\"*\", \"CREATE\"}: if '*' is present, must not "
      "specify "
      "other operations, webhooks[0].rules[0].apiGroups: Required value]" },
    { "/webhooks/0/rules/0/resources=['pods/*','pods/log','*','x']",
      "[webhooks[0].rules[0].resources[1]: Invalid value: \"pods/log\": if 'pods/*' is present, must not specify "
      "pods/log, "
      "webhooks[0].rules[0].resources: Invalid value: []string{\"pods/*\", \"pods/log\", \"*\", \"x\"}: if '*' is "
      "present, must not specify other resources without subresources]" },
    { "/webhooks/0/matchConditions=[{'name':'a','expression':'true'},{'name':'a','expression':' '}]",
      "[webhooks[0].matchConditions[1].expression: Required value, webhooks[0].matchConditions[1].name: Duplicate "
      "value: "
      "\"a\"]" },
    { "/webhooks/1={'name':'a.b.c','sideEffects':'None','admissionReviewVersions':['v1'],'clientConfig':{'url':"
      "'https://h/'}}",
      "webhooks[1].name: Duplicate value: \"a.b.c\"" },
  };
  case_creates(WEBHOOKS, cases, G_N_ELEMENTS(cases));
  case_updates(WEBHOOKS, cases, G_N_ELEMENTS(cases));
}

#define POLICY                                                                                                         \
  "{'kind':'ValidatingAdmissionPolicy','apiVersion':'admissionregistration.k8s.io/"                                    \
  "v1','metadata':{'name':'p'},'spec':{"                                                                               \
  "'matchConstraints':{'resourceRules':[{'operations':['CREATE'],'apiGroups':['apps'],'apiVersions':['v1'],'"          \
  "resources':["                                                                                                       \
  "'deployments']}]},'validations':[{'expression':'object.spec.replicas <= 5'}]}}"

static void test_policy(void)
{
  static const ValidationCase cases[] = {
    { "/spec/validations=[]",
      "[spec.validations: Required value: validations or auditAnnotations must contain at least one item, "
      "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item]" },
    { "/spec/matchConstraints=null", "spec.matchConstraints: Required value" },
    { "/spec/matchConstraints/resourceRules=[]", "spec.matchConstraints.resourceRules: Required value" },
    { "/spec/paramKind={'apiVersion':'a/b/c','kind':'A_b'}",
      "[spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c, "
      "spec.paramKind.kind: "
      "Invalid value: \"A_b\": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower "
      "case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character "
      "(e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')]" },
    { "/spec/variables=[{'name':'in','expression':''}]", "[spec.variables[0].name: Invalid value: \"in\": name is not "
                                                         "a valid CEL identifier, spec.variables[0].expression: "
                                                         "Required value: expression is not specified]" },
    { "/spec/validations/0/expression=' '; /spec/validations/0/message='  '; /spec/validations/0/reason='x'",
      "[spec.validations[0].expression: Required value: expression is not specified, spec.validations[0].message: "
      "Invalid "
      "value: \"  \": message must be non-empty if specified, spec.validations[0].reason: Unsupported value: \"x\": "
      "supported values: \"Forbidden\", \"Invalid\", \"RequestEntityTooLarge\", \"Unauthorized\"]" },
    { "/spec/auditAnnotations=[{'key':'a','valueExpression':'1'},{'key':'a','valueExpression':''}]",
      "[spec.auditAnnotations[1].valueExpression: Required value: valueExpression is not specified, "
      "spec.auditAnnotations[1].key: Duplicate value: \"a\"]" },
  };
  case_creates(POLICY, cases, G_N_ELEMENTS(cases));
  g_autoptr(json_t) stored = case_create(POLICY), warnings = json_array();
  const ApiKind *kind = api_scheme_kind_of(case_scheme(), stored);
  kind->strategy->warn(stored, warnings);
  g_assert_cmpuint(json_array_size(warnings), ==, 1);
}

#define BINDING                                                                                                        \
  "{'kind':'ValidatingAdmissionPolicyBinding','apiVersion':'admissionregistration.k8s.io/v1','metadata':{'name':'b'}," \
  "'spec':{'policyName':'p','validationActions':['Deny']}}"

static void test_policy_binding(void)
{
  static const ValidationCase cases[] = {
    { "/spec/policyName=''", "spec.policyName: Required value" },
    { "/spec/validationActions=[]",
      "spec.validationActions: Required value: at least one validation action is required" },
    { "/spec/validationActions=['Deny','Warn']",
      "spec.validationActions: Invalid value: []string{\"Deny\", \"Warn\"}: must not contain both Deny and Warn "
      "(repeating the same validation failure information in the API response and headers serves no purpose)" },
    { "/spec/paramRef={}", "[spec.paramRef: Required value: one of name or selector must be specified, "
                           "spec.paramRef.parameterNotFoundAction: Required value]" },
    { "/spec/paramRef={'name':'a','selector':{},'parameterNotFoundAction':'x'}",
      "[spec.paramRef.name: Forbidden: name and selector are mutually exclusive, spec.paramRef.selector: Forbidden: "
      "name "
      "and selector are mutually exclusive, spec.paramRef.parameterNotFoundAction: Unsupported value: \"x\": supported "
      "values: \"Deny\", \"Allow\"]" },
  };
  case_creates(BINDING, cases, G_N_ELEMENTS(cases));
}

#define FLOW_SCHEMA                                                                                                    \
  "{'kind':'FlowSchema','apiVersion':'flowcontrol.apiserver.k8s.io/v1','metadata':{'name':'f'},'spec':{"               \
  "'priorityLevelConfiguration':{'name':'p'},'rules':[{'subjects':[{'kind':'User','user':{'name':'u'}}],"              \
  "'nonResourceRules':[{'verbs':['get'],'nonResourceURLs':['/healthz']}]}]}}"

static void test_flow_schema(void)
{
  static const ValidationCase cases[] = {
    { "/spec/matchingPrecedence=1",
      "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have "
      "matchingPrecedence 1" },
    { "/spec/matchingPrecedence=10001",
      "spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000" },
    { "/spec/priorityLevelConfiguration/name=''; /spec/rules/0/subjects=[]; /spec/rules/0/nonResourceRules=[]",
      "[spec.priorityLevelConfiguration.name: Required value: must reference a priority level, spec.rules[0].subjects: "
      "Required value: subjects must contain at least one value, spec.rules[0]: Required value: at least one of "
      "resourceRules and nonResourceRules has to be non-empty]" },
    { "/spec/rules/0/subjects/0={'kind':'Group','user':{'name':'u'}}",
      "[spec.rules[0].subjects[0].group: Required value: group is required when subject kind is 'Group', "
      "spec.rules[0].subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User']" },
    { "/spec/rules/0/nonResourceRules/0/nonResourceURLs=['a','/a*','/b/*']",
      "[spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"a\": must start with slash, "
      "spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: \"/a*\": wildcard can only do suffix "
      "matching]" },
    { "/spec/rules/0/resourceRules=[{'verbs':['*','get'],'apiGroups':[],'resources':['*']}]",
      "[spec.rules[0].resourceRules[0].verbs: Invalid value: []string{\"*\", \"get\"}: if '*' is present, must not "
      "specify other verbs, spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules must supply at "
      "least "
      "one api group, spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster "
      "scoped must supply at least one namespace]" },
  };
  case_creates(FLOW_SCHEMA, cases, G_N_ELEMENTS(cases));
  g_autoptr(json_t) stored = case_create(FLOW_SCHEMA);
  g_assert_cmpint(json_integer_value(json_at(stored, "spec", "matchingPrecedence", NULL)), ==, 1000);
}

#define PRIORITY_LEVEL                                                                                                 \
  "{'kind':'PriorityLevelConfiguration','apiVersion':'flowcontrol.apiserver.k8s.io/"                                   \
  "v1','metadata':{'name':'p'},'spec':{"                                                                               \
  "'type':'Limited','limited':{'limitResponse':{'type':'Queue','queuing':{}}}}}"

static void test_priority_level(void)
{
  static const ValidationCase cases[] = {
    { "/spec/type='Exempt'", "[spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is "
                             "'exempt', spec.limited: Forbidden: must be nil if the type is not Limited]" },
    { "/spec/type='x'", "spec.type: Unsupported value: \"x\": supported values: \"Exempt\", \"Limited\"" },
    { "/spec/limited=null", "spec.limited: Required value: must not be empty when type is Limited" },
    { "/spec/limited/limitResponse/queuing=null", "spec.limited.limitResponse.queuing: Required value: must not be "
                                                  "empty if limited.limitResponse.type is Limited" },
    { "/spec/limited/limitResponse/queuing/handSize=100",
      "spec.limited.limitResponse.queuing.handSize: Invalid value: 100: should not be greater than queues (64)" },
    { "/spec/limited/limitResponse/queuing/handSize=20", "spec.limited.limitResponse.queuing.handSize: Invalid value: "
                                                         "20: required entropy bits of deckSize 64 and handSize "
                                                         "20 should not be greater than 60" },
    { "/spec/limited/lendablePercent=101; /spec/limited/borrowingLimitPercent=-1",
      "[spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive, "
      "spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer]" },
  };
  case_creates(PRIORITY_LEVEL, cases, G_N_ELEMENTS(cases));
  g_autoptr(json_t) stored = case_create(PRIORITY_LEVEL);
  case_equal(json_at(stored, "spec", "limited", NULL),
             "{'nominalConcurrencyShares':30,'limitResponse':{'type':'Queue','queuing':{'queues':64,'handSize':8,"
             "'queueLengthLimit':50}},'lendablePercent':0}");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/validation/api-service", test_api_service);
  g_test_add_func("/validation/local-api-service", test_local_api_service);
  g_test_add_func("/validation/definition-defaults", test_definition_defaults);
  g_test_add_func("/validation/webhook-defaults", test_webhook_defaults);
  g_test_add_func("/validation/webhooks", test_webhooks);
  g_test_add_func("/validation/admission-policy", test_policy);
  g_test_add_func("/validation/admission-policy-binding", test_policy_binding);
  g_test_add_func("/validation/flow-schema", test_flow_schema);
  g_test_add_func("/validation/priority-level", test_priority_level);
  return g_test_run();
}
