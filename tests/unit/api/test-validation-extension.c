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
      "'served':true,'storage':true}]}}");
  case_equal(json_at(stored, "spec", "names", NULL),
             "{'plural':'tabs','singular':'crontab','kind':'CronTab','listKind':'CronTabList'}");
  case_equal(json_at(stored, "spec", "conversion", NULL), "{'strategy':'None'}");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/validation/api-service", test_api_service);
  g_test_add_func("/validation/local-api-service", test_local_api_service);
  g_test_add_func("/validation/definition-defaults", test_definition_defaults);
  return g_test_run();
}
