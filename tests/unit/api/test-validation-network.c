/* Ingresses, their classes, and network policies. */
#include "validation_case.h"

#define BASE_INGRESS                                                                                                   \
  "{'kind':'Ingress','apiVersion':'networking.k8s.io/"                                                                 \
  "v1','metadata':{'name':'i','namespace':'n'},'spec':{'rules':[{'host':'example.com','http':{'paths':[{'path':'/"     \
  "','pathType':'Prefix','backend':{'service':{'name':'s','port':{'number':80}}}}]}}]}}"

static void test_ingress(void)
{
  static const ValidationCase cases[] = {
    { "/spec/rules=null", "spec: Invalid value: []: either `defaultBackend` or `rules` must be specified" },
    { "/spec/rules/0/host='Example.com'",
      "spec.rules[0].host: Invalid value: \"Example.com\": a lowercase RFC 1123 subdomain must consist of lower case "
      "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
      "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')" },
    { "/spec/rules/0/host='*.foo.com'", "" },
    { "/spec/rules/0/host='*foo'",
      "spec.rules[0].host: Invalid value: \"*foo\": a wildcard DNS-1123 subdomain must start with '*.', followed by a "
      "valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an "
      "alphanumeric character (e.g. '*.example.com', regex used for validation is "
      "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')" },
    { "/spec/rules/0/host='10.0.0.1'",
      "spec.rules[0].host: Invalid value: \"10.0.0.1\": must be a DNS name, not an IP address" },
    { "/spec/rules/0/http/paths=[]", "spec.rules[0].http.paths: Required value" },
    { "/spec/rules/0/http/paths/0/path='x'",
      "spec.rules[0].http.paths[0].path: Invalid value: \"x\": must be an absolute path" },
    { "/spec/rules/0/http/paths/0/path='/a//b/../c'",
      "[spec.rules[0].http.paths[0].path: Invalid value: \"/a//b/../c\": must not contain '//', "
      "spec.rules[0].http.paths[0].path: Invalid value: \"/a//b/../c\": must not contain '/../']" },
    { "/spec/rules/0/http/paths/0/pathType=null",
      "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified" },
    { "/spec/rules/0/http/paths/0/pathType='Regex'",
      "spec.rules[0].http.paths[0].pathType: Unsupported value: \"Regex\": supported values: \"Exact\", "
      "\"ImplementationSpecific\", \"Prefix\"" },
    { "/spec/rules/0/http/paths/0/pathType='ImplementationSpecific'; /spec/rules/0/http/paths/0/path=null", "" },
    { "/spec/rules/0/http/paths/0/backend={}",
      "spec.rules[0].http.paths[0].backend: Invalid value: \"\": resource or service backend is required" },
    { "/spec/rules/0/http/paths/0/backend/service/port={}",
      "spec.rules[0].http.paths[0].backend: Required value: port name or number is required" },
    { "/spec/rules/0/http/paths/0/backend/service/port={'name':'web','number':80}",
      "spec.rules[0].http.paths[0].backend: Invalid value: \"\": cannot set both port name & port number" },
    { "/spec/rules/0/http/paths/0/backend/service/port/number=70000",
      "spec.rules[0].http.paths[0].backend.service.port.number: Invalid value: 70000: must be between 1 and 65535, "
      "inclusive" },
    { "/spec/rules/0/http/paths/0/backend/service/name='A_b'",
      "spec.rules[0].http.paths[0].backend.service.name: Invalid value: \"A_b\": a DNS-1035 label must consist of "
      "lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric "
      "character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')" },
    { "/spec/rules/0/http/paths/0/backend/resource={'kind':'Bucket','name':'b'}",
      "spec.rules[0].http.paths[0].backend: Invalid value: \"\": cannot set both resource and service backends" },
    { "/spec/defaultBackend={'resource':{'apiGroup':'x.io','kind':'Bucket','name':''}}",
      "spec.defaultBackend.resource.name: Required value" },
    { "/spec/tls=[{'hosts':['a_b'],'secretName':'S'}]",
      "[spec.tls[0].hosts[0]: Invalid value: \"a_b\": a lowercase RFC 1123 subdomain must consist of lower case "
      "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
      "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), "
      "spec.tls[0].secretName: Invalid value: \"S\": a lowercase RFC 1123 subdomain must consist of lower case "
      "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
      "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')]" },
    { "/spec/ingressClassName='A'",
      "spec.ingressClassName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case "
      "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
      "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')" },
    { "/spec/ingressClassName='nginx'; /metadata/annotations={'kubernetes.io/ingress.class':'nginx'}", "" },
  };
  case_creates(BASE_INGRESS, cases, G_N_ELEMENTS(cases));
}

#define BASE_INGRESS_CLASS                                                                                             \
  "{'kind':'IngressClass','apiVersion':'networking.k8s.io/"                                                            \
  "v1','metadata':{'name':'c'},'spec':{'controller':'example.com/c'}}"

static void test_ingress_class(void)
{
  static const ValidationCase cases[] = {
    { "/spec/controller='example'",
      "spec.controller: Invalid value: \"example\": must be a domain-prefixed path (such as \"acme.io/foo\")" },
    { "/spec/controller=null", "spec.controller: Required value" },
    { "/spec/parameters={'kind':'K','name':'p','namespace':'n'}",
      "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'" },
    { "/spec/parameters={'kind':'K','name':'p','scope':'Namespace'}",
      "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'" },
    { "/spec/parameters={'kind':'K','name':'p','scope':'Here'}",
      "spec.parameters.scope: Unsupported value: \"Here\": supported values: \"Cluster\", \"Namespace\"" },
  };
  case_creates(BASE_INGRESS_CLASS, cases, G_N_ELEMENTS(cases));
}

static void test_ingress_class_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/controller='example.com/d'", "spec.controller: Invalid value: \"example.com/d\": field is immutable" },
  };
  case_updates(BASE_INGRESS_CLASS, cases, G_N_ELEMENTS(cases));
}

#define BASE_NETWORK_POLICY                                                                                            \
  "{'kind':'NetworkPolicy','apiVersion':'networking.k8s.io/"                                                           \
  "v1','metadata':{'name':'p','namespace':'n'},'spec':{'podSelector':{}}}"

static void test_network_policy(void)
{
  static const ValidationCase cases[] = {
    { "/spec/policyTypes=['Ingress','Sideways']",
      "spec.policyTypes[1]: Unsupported value: \"Sideways\": supported values: \"Ingress\", \"Egress\"" },
    { "/spec/policyTypes=['Ingress','Egress','Ingress']",
      "spec.policyTypes: Invalid value: []string{\"Ingress\", \"Egress\", \"Ingress\"}: may not specify more than two "
      "policyTypes" },
    { "/spec/ingress=[{'from':[{}]}]", "spec.ingress[0].from[0]: Required value: must specify a peer" },
    { "/spec/ingress=[{'from':[{'ipBlock':{'cidr':'10.0.0.0/8'},'podSelector':{}}]}]",
      "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer" },
    { "/spec/egress=[{'to':[{'ipBlock':{'cidr':'10.0.0.0/8','except':['10.1.0.0/16','11.0.0.0/16','10.0.0.0/8']}}]}]",
      "[spec.egress[0].to[0].ipBlock.except[1]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`, "
      "spec.egress[0].to[0].ipBlock.except[2]: Invalid value: \"10.0.0.0/8\": must be a strict subset of `cidr`]" },
    { "/spec/egress=[{'to':[{'ipBlock':{'cidr':'10'}}]}]",
      "spec.egress[0].to[0].ipBlock.cidr: Invalid value: \"10\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or "
      "2001:db8::/64)" },
    { "/spec/egress=[{'ports':[{'port':0}]}]",
      "spec.egress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive" },
    { "/spec/egress=[{'ports':[{'port':'web!'}]}]",
      "spec.egress[0].ports[0].port: Invalid value: \"web!\": must contain only alpha-numeric characters (a-z, 0-9), "
      "and hyphens (-)" },
    { "/spec/egress=[{'ports':[{'endPort':90}]}]",
      "spec.egress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is not specified" },
    { "/spec/egress=[{'ports':[{'port':'web','endPort':90}]}]",
      "spec.egress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is non-numeric" },
    { "/spec/egress=[{'ports':[{'port':100,'endPort':90}]}]",
      "spec.egress[0].ports[0].endPort: Invalid value: 90: must be greater than or equal to `port`" },
    { "/spec/egress=[{'ports':[{'protocol':'ICMP'}]}]",
      "spec.egress[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"TCP\", \"UDP\", \"SCTP\"" },
  };
  case_creates(BASE_NETWORK_POLICY, cases, G_N_ELEMENTS(cases));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/validation/network/ingress", test_ingress);
  g_test_add_func("/validation/network/ingress-class", test_ingress_class);
  g_test_add_func("/validation/network/ingress-class/update", test_ingress_class_update);
  g_test_add_func("/validation/network/network-policy", test_network_policy);
  return g_test_run();
}
