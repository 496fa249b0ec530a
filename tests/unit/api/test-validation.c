/* Defaults, validation and strategies: objects as a request brings them, and upstream's answers. */
#include <glib.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/codec.h"
#include "clusterd/api/validation.h"
#include "validation_case.h"

#define POD "{'kind':'Pod','apiVersion':'v1','metadata':{'name':'b','namespace':'x'},'spec':"

static void test_pod_defaults(void)
{
  g_autoptr(json_t) pod = case_create(POD "{'containers':[{'name':'c','image':'nginx'}]}}");
  json_object_del(json_object_get(pod, "metadata"), "creationTimestamp"); /* null until the registry sets it */
  case_equal(pod, POD "{'containers':[{'name':'c','image':'nginx','resources':{},'terminationMessagePath':"
                      "'/dev/termination-log','terminationMessagePolicy':'File','imagePullPolicy':'Always'}],"
                      "'restartPolicy':'Always','terminationGracePeriodSeconds':30,'dnsPolicy':'ClusterFirst',"
                      "'securityContext':{},'schedulerName':'default-scheduler','enableServiceLinks':true},"
                      "'status':{'phase':'Pending','qosClass':'BestEffort'}}");
}

static void test_pod_defaults_inside(void)
{
  g_autoptr(json_t) pod = case_create(
      POD "{'serviceAccountName':'sa','volumes':[{'name':'v'},{'name':'s','secret':{'secretName':'x'}}],'containers':[{"
          "'name':'c','image':'nginx:1.2','ports':[{'containerPort':80}],'resources':{'limits':{'cpu':'1','memory':"
          "'1Gi'}},'livenessProbe':{'httpGet':{'port':80}},'env':[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':"
          "'metadata.name'}}}]}]}}");
  const json_t *spec = json_object_get(pod, "spec");
  const json_t *container = json_array_get(json_object_get(spec, "containers"), 0);
  case_equal(json_object_get(spec, "volumes"),
             "[{'name':'v','emptyDir':{}},{'name':'s','secret':{'secretName':'x','defaultMode':420}}]");
  case_equal(json_object_get(container, "livenessProbe"),
             "{'httpGet':{'path':'/','port':80,'scheme':'HTTP'},'timeoutSeconds':1,'periodSeconds':10,"
             "'successThreshold':1,'failureThreshold':3}");
  case_equal(json_object_get(container, "ports"), "[{'containerPort':80,'protocol':'TCP'}]");
  case_equal(json_object_get(container, "resources"),
             "{'limits':{'cpu':'1','memory':'1Gi'},'requests':{'cpu':'1','memory':'1Gi'}}");
  case_equal(json_object_get(container, "env"),
             "[{'name':'A','valueFrom':{'fieldRef':{'apiVersion':'v1','fieldPath':'metadata.name'}}}]");
  g_assert_cmpstr(json_str(container, "imagePullPolicy", ""), ==, "IfNotPresent");
  g_assert_cmpstr(json_str(spec, "serviceAccount", ""), ==, "sa");
  g_assert_cmpstr(json_str(json_object_get(pod, "status"), "qosClass", ""), ==, "Guaranteed");
}

static void test_pod_errors(void)
{
  case_create_fails(
      "{'kind':'Pod','apiVersion':'v1','metadata':{'name':'Bad_Name','namespace':'x'},'spec':{}}",
      "Pod \"Bad_Name\" is invalid: [metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must "
      "consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric "
      "character "
      "(e.g. 'example.com', regex used for validation is "
      "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.containers: Required value]");
  case_create_fails(
      POD
      "{'containers':[{'name':'c','image':'i','ports':[{'containerPort':99999}],'resources':{'requests':{'cpu':'2'},"
      "'limits':{'cpu':'1'}}}],'restartPolicy':'X'}}",
      "Pod \"b\" is invalid: [spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and "
      "65535, inclusive, spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to "
      "cpu "
      "limit of 1, spec.restartPolicy: Unsupported value: \"X\": supported values: \"Always\", \"OnFailure\", "
      "\"Never\"]");
  case_create_fails(POD "{'containers':[{'name':'a','image':'i','volumeMounts':[{'name':'v','mountPath':'/v'}]},{"
                        "'name':'a'}]}}",
                    "Pod \"b\" is invalid: [spec.containers[0].volumeMounts[0].name: Not found: \"v\", "
                    "spec.containers[1].name: Duplicate value: \"a\", spec.containers[1].image: Required value]");
  case_create_fails(POD "{'containers':[{'name':'a','image':'i','livenessProbe':{'exec':{'command':['x']},'httpGet':{"
                        "'port':80}},'readinessProbe':{}}]}}",
                    "Pod \"b\" is invalid: [spec.containers[0].livenessProbe.httpGet: Forbidden: may not specify more "
                    "than 1 handler type, spec.containers[0].readinessProbe: Required value: must specify a handler "
                    "type]");
}

static void test_pod_update(void)
{
  g_autoptr(json_t) pod = case_create(POD "{'containers':[{'name':'c','image':'nginx'}]}}");
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) value = NULL, copy = NULL;
  case_update_fails(pod, "{'spec':{'nodeName':'zz'}}",
                    "Pod \"b\" is invalid: spec: Forbidden: pod updates may not change fields other than "
                    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
                    "`spec.tolerations` (only additions to existing tolerations),"
                    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n");
  g_assert_true(
      case_update(pod,
                  "{'spec':{'activeDeadlineSeconds':5,'tolerations':[{'operator':'Exists'}]},'status':{'phase':"
                  "'Failed'}}",
                  NULL, &value, &error));
  g_assert_cmpstr(json_str(json_object_get(value, "status"), "phase", ""), ==, "Pending");
  g_assert_true(case_update(pod, "{'spec':{'nodeName':'zz'},'status':{'phase':'Running'}}", "status", &copy, &error));
  g_assert_null(json_at(copy, "spec", "nodeName", NULL));
  g_assert_cmpstr(json_str(json_object_get(copy, "status"), "phase", ""), ==, "Running");
}

#define SERVICE "{'kind':'Service','apiVersion':'v1','metadata':{'name':'s','namespace':'x'},'spec':"

static void test_service(void)
{
  g_autoptr(json_t) service = case_create(SERVICE "{'ports':[{'port':80}],'selector':{'a':'b'}}}");
  case_equal(json_object_get(service, "spec"),
             "{'ports':[{'protocol':'TCP','port':80,'targetPort':80}],'selector':{'a':'b'},'type':'ClusterIP',"
             "'sessionAffinity':'None','internalTrafficPolicy':'Cluster'}");
  case_equal(json_object_get(service, "status"), "{'loadBalancer':{}}");
  case_create_fails(
      "{'kind':'Service','apiVersion':'v1','metadata':{'name':'9s','namespace':'x'},'spec':{}}",
      "Service \"9s\" is invalid: [metadata.name: Invalid value: \"9s\": a DNS-1035 label must consist of lower case "
      "alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character "
      "(e.g. "
      "'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?'), spec.ports: Required "
      "value]");
  case_create_fails(SERVICE "{'ports':[{'port':80},{'port':81,'name':'a','nodePort':30000}]}}",
                    "Service \"s\" is invalid: [spec.ports[0].name: Required value, spec.ports[1].nodePort: Forbidden: "
                    "may not be used when `type` is 'ClusterIP']");
  case_create_fails(SERVICE "{'type':'ExternalName'}}", "Service \"s\" is invalid: spec.externalName: Required value");
}

static void test_service_update(void)
{
  g_autoptr(json_t) service =
      case_create(SERVICE "{'type':'NodePort','clusterIP':'10.0.0.1','ports':[{'port':80,'nodePort':"
                          "30080}]}}");
  g_autoptr(json_t) value = NULL, cluster_ip = NULL;
  g_autoptr(GError) error = NULL;
  case_update_fails(
      service, "{'spec':{'clusterIP':'10.0.0.77'}}",
      "Service \"s\" is invalid: spec.clusterIPs[0]: Invalid value: []string{\"10.0.0.77\"}: may not change once set");
  /* A replace that leaves open what the server gave out keeps it. */
  g_assert_true(case_update(service, "{'spec':{'ports':[{'port':80}]}}", NULL, &value, &error));
  g_assert_cmpint(json_int(json_array_get(json_at(value, "spec", "ports", NULL), 0), "nodePort", 0), ==, 30080);
  /* Back to ClusterIP: the node port goes with the type. */
  g_assert_true(case_update(service, "{'spec':{'type':'ClusterIP'}}", NULL, &cluster_ip, &error));
  g_assert_null(json_object_get(json_array_get(json_at(cluster_ip, "spec", "ports", NULL), 0), "nodePort"));
  g_assert_null(json_at(cluster_ip, "spec", "externalTrafficPolicy", NULL));
}

#define DEPLOYMENT(labels)                                                                                             \
  "{'kind':'Deployment','apiVersion':'apps/v1','metadata':{'name':'d','namespace':'x'},'spec':{'selector':{"           \
  "'matchLabels':{'a':'b'}},'template':{'metadata':{'labels':" labels                                                  \
  "},'spec':{'containers':[{'name':'c','image':'i'}]}}}}"

static void test_deployment(void)
{
  g_autoptr(json_t) deployment = case_create(DEPLOYMENT("{'a':'b'}"));
  json_t *spec = json_object_get(deployment, "spec");
  case_equal(json_object_get(spec, "strategy"),
             "{'type':'RollingUpdate','rollingUpdate':{'maxUnavailable':'25%','maxSurge':'25%'}}");
  case_equal(json_at(spec, "template", "metadata", NULL), "{'creationTimestamp':null,'labels':{'a':'b'}}");
  g_assert_cmpint(json_int(spec, "replicas", 0), ==, 1);
  g_assert_cmpint(json_int(spec, "progressDeadlineSeconds", 0), ==, 600);
  g_assert_cmpint(json_int(spec, "revisionHistoryLimit", 0), ==, 10);
  g_assert_null(json_at(spec, "template", "spec", "enableServiceLinks", NULL));
  case_create_fails(DEPLOYMENT("{'a':'c'}"),
                    "Deployment.apps \"d\" is invalid: spec.template.metadata.labels: Invalid value: "
                    "map[string]string{\"a\":\"c\"}: `selector` does not match template `labels`");
  case_update_fails(
      deployment, "{'spec':{'selector':{'matchLabels':{'z':'b'}}}}",
      "Deployment.apps \"d\" is invalid: [spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"
      "\"a\":\"b\", \"z\":\"b\"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable, "
      "spec.template.metadata.labels: Invalid value: map[string]string{\"a\":\"b\"}: `selector` does not match "
      "template "
      "`labels`]");
}

static void test_status_split(void)
{
  g_autoptr(json_t) deployment = case_create(DEPLOYMENT("{'a':'b'}"));
  g_autoptr(json_t) value = NULL;
  g_autoptr(GError) error = NULL;
  g_assert_true(case_update(deployment, "{'spec':{'replicas':9},'status':{'replicas':1}}", "status", &value, &error));
  g_assert_cmpint(json_int(json_object_get(value, "spec"), "replicas", 0), ==, 1);
  g_assert_cmpint(json_int(json_object_get(value, "status"), "replicas", 0), ==, 1);
}

static void test_config(void)
{
  g_autoptr(json_t) map = case_create("{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'c','namespace':'x'},"
                                      "'immutable':true,'data':{'k':'v'}}");
  case_update_fails(map, "{'data':{'k':'w'}}",
                    "ConfigMap \"c\" is invalid: data: Forbidden: field is immutable when `immutable` is set");
  g_autoptr(json_t) secret = case_create("{'kind':'Secret','apiVersion':'v1','metadata':{'name':'c','namespace':'x'},"
                                         "'stringData':{'k':'value'}}");
  case_equal(json_object_get(secret, "data"), "{'k':'dmFsdWU='}");
  g_assert_null(json_object_get(secret, "stringData"));
  case_update_fails(secret, "{'type':'x'}", "Secret \"c\" is invalid: type: Invalid value: \"x\": field is immutable");
  case_create_fails("{'kind':'Secret','apiVersion':'v1','metadata':{'name':'c','namespace':'x'},'type':"
                    "'kubernetes.io/tls','data':{'tls.crt':'YQ=='}}",
                    "Secret \"c\" is invalid: data[tls.key]: Required value");
}

static void test_metadata(void)
{
  case_create_fails("{'kind':'ConfigMap','apiVersion':'v1','metadata':{'namespace':'x'}}",
                    "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required");
  case_create_fails("{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'a','namespace':'x','finalizers':['f'],"
                    "'labels':{'a':'b c'}}}",
                    "ConfigMap \"a\" is invalid: [metadata.labels: Invalid value: \"b c\": a valid label must be an "
                    "empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
                    "an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
                    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'), metadata.finalizers[0]: Invalid value: \"f\": "
                    "name is neither a standard finalizer name nor is it fully qualified]");
  g_autoptr(json_t) map = case_create("{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'c','namespace':'x',"
                                      "'deletionTimestamp':'2026-01-01T00:00:00Z'}}");
  case_update_fails(map, "{'metadata':{'finalizers':['a.b/c']}}",
                    "ConfigMap \"c\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the "
                    "object is being deleted, found new finalizers []string{\"a.b/c\"}");
}

static void test_namespace(void)
{
  g_autoptr(json_t) namespace_ = case_create("{'kind':'Namespace','apiVersion':'v1','metadata':{'name':'x1'}}");
  case_equal(json_at(namespace_, "metadata", "labels", NULL), "{'kubernetes.io/metadata.name':'x1'}");
  case_equal(json_object_get(namespace_, "spec"), "{'finalizers':['kubernetes']}");
  case_equal(json_object_get(namespace_, "status"), "{'phase':'Active'}");
  g_autoptr(json_t) value = NULL;
  g_autoptr(GError) error = NULL;
  g_assert_true(case_update(namespace_, "{'spec':{'finalizers':[]}}", "finalize", &value, &error));
  g_assert_cmpuint(json_array_size(json_at(value, "spec", "finalizers", NULL)), ==, 0);
}

static void test_role_binding(void)
{
  g_autoptr(json_t) binding =
      case_create("{'kind':'RoleBinding','apiVersion':'rbac.authorization.k8s.io/v1','metadata':{"
                  "'name':'system:x','namespace':'x'},'roleRef':{'kind':'Role','name':'r'},"
                  "'subjects':[{'kind':'User','name':'bob'}]}");
  case_equal(json_object_get(binding, "subjects"),
             "[{'kind':'User','apiGroup':'rbac.authorization.k8s.io','name':'bob'}]");
  case_update_fails(binding, "{'roleRef':{'name':'s'}}",
                    "RoleBinding.rbac.authorization.k8s.io \"system:x\" is invalid: roleRef: Invalid value: "
                    "rbac.RoleRef{APIGroup:\"rbac.authorization.k8s.io\", Kind:\"Role\", Name:\"s\"}: cannot change "
                    "roleRef");
}

static void test_job(void)
{
  g_autoptr(json_t) job =
      case_create("{'kind':'Job','apiVersion':'batch/v1','metadata':{'name':'j','namespace':'x','uid':"
                  "'u'},'spec':{'template':{'spec':{'restartPolicy':'Never','containers':[{'name':'c',"
                  "'image':'i'}]}}}}");
  case_equal(json_at(job, "spec", "selector", NULL), "{'matchLabels':{'batch.kubernetes.io/controller-uid':'u'}}");
  case_equal(json_at(job, "spec", "template", "metadata", "labels", NULL),
             "{'job-name':'j','batch.kubernetes.io/job-name':'j','controller-uid':'u',"
             "'batch.kubernetes.io/controller-uid':'u'}");
  g_assert_cmpint(json_int(json_object_get(job, "spec"), "backoffLimit", 0), ==, 6);
  g_assert_cmpint(json_int(json_object_get(job, "spec"), "completions", 0), ==, 1);
}

/* Filling in defaults twice changes nothing. */
static void test_idempotent(void)
{
  const ApiKind *kind;
  g_autoptr(json_t) value = case_prepare(DEPLOYMENT("{'a':'b'}"), &kind);
  g_autoptr(json_t) before = json_deep_copy(value);
  api_set_defaults(kind->message, value);
  g_assert_true(json_equal(before, value));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/validation/pod-defaults", test_pod_defaults);
  g_test_add_func("/validation/pod-defaults-inside", test_pod_defaults_inside);
  g_test_add_func("/validation/pod-errors", test_pod_errors);
  g_test_add_func("/validation/pod-update", test_pod_update);
  g_test_add_func("/validation/service", test_service);
  g_test_add_func("/validation/service-update", test_service_update);
  g_test_add_func("/validation/deployment", test_deployment);
  g_test_add_func("/validation/status-split", test_status_split);
  g_test_add_func("/validation/config", test_config);
  g_test_add_func("/validation/metadata", test_metadata);
  g_test_add_func("/validation/namespace", test_namespace);
  g_test_add_func("/validation/role-binding", test_role_binding);
  g_test_add_func("/validation/job", test_job);
  g_test_add_func("/validation/idempotent", test_idempotent);
  return g_test_run();
}
