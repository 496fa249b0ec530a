/* Services. */
#include "validation_case.h"

#define BASE_SERVICE                                                                                                   \
  "{'kind':'Service','apiVersion':'v1','metadata':{'name':'s','namespace':'n'},'spec':{'ports':[{'port':80}]}}"

static void test_service(void)
{
  static const ValidationCase cases[] = {
    { "/spec/ports=null", "spec.ports: Required value" },
    { "/spec/ports=null; /spec/clusterIP='None'", "" },
    { "/spec/ports/0/port=0", "[spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, "
                              "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive]" },
    { "/spec/ports/0/targetPort=70000",
      "spec.ports[0].targetPort: Invalid value: 70000: must be between 1 and 65535, inclusive" },
    { "/spec/ports/0/targetPort='a_b'", "spec.ports[0].targetPort: Invalid value: \"a_b\": must contain only "
                                        "alpha-numeric characters (a-z, 0-9), and hyphens (-)" },
    { "/spec/ports/0/protocol='ICMP'",
      "spec.ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"" },
    { "/spec/ports/0/name='A'",
      "spec.ports[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric "
      "characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
      "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')" },
    { "/spec/ports/0/appProtocol='a b'",
      "spec.ports[0].appProtocol: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' "
      "or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', "
      "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')" },
    { "/spec/ports/0/nodePort=30000", "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'" },
    { "/spec/ports/1={'port':81}", "[spec.ports[0].name: Required value, spec.ports[1].name: Required value]" },
    { "/spec/ports=[{'name':'a','port':80},{'name':'a','port':80}]",
      "[spec.ports[1].name: Duplicate value: \"a\", spec.ports[1]: Duplicate value: core.ServicePort{Name:\"\", "
      "Protocol:\"TCP\", AppProtocol:(*string)(nil), Port:80, TargetPort:intstr.IntOrString{Type:0, IntVal:0, "
      "StrVal:\"\"}, NodePort:0}]" },
    { "/spec/type='NodePort'; "
      "/spec/ports=[{'name':'a','port':80,'nodePort':30000},{'name':'b','port':81,'nodePort':30000}]",
      "spec.ports[1].nodePort: Duplicate value: 30000" },
    { "/spec/type='NodePort'; /spec/clusterIP='None'",
      "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services" },
    { "/spec/type='Pigeon'", "spec.type: Unsupported value: \"Pigeon\": supported values: \"ClusterIP\", "
                             "\"ExternalName\", \"LoadBalancer\", \"NodePort\"" },
    { "/spec/selector={'a':'!'}",
      "spec.selector: Invalid value: \"!\": a valid label must be an empty string or consist of alphanumeric "
      "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
      "'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')" },
    { "/spec/sessionAffinity='Cookie'",
      "spec.sessionAffinity: Unsupported value: \"Cookie\": supported values: \"ClientIP\", \"None\"" },
    { "/spec/sessionAffinityConfig={'clientIP':{'timeoutSeconds':5}}",
      "spec.sessionAffinityConfig: Forbidden: must not be set when session affinity is None" },
    { "/spec/sessionAffinity='ClientIP'; /spec/sessionAffinityConfig={'clientIP':{'timeoutSeconds':0}}",
      "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than "
      "86400" },
    { "/spec/clusterIP='x'",
      "spec.clusterIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)" },
    { "/spec/clusterIP='10.0.0.1'; /spec/clusterIPs=['10.0.0.2']",
      "spec.clusterIPs: Invalid value: []string{\"10.0.0.2\"}: first value must match `clusterIP`" },
    { "/spec/clusterIPs=['None','10.0.0.2']",
      "spec.clusterIPs: Invalid value: []string{\"None\", \"10.0.0.2\"}: 'None' must be the first and only value" },
    { "/spec/clusterIPs=['10.0.0.1','10.0.0.2']", "spec.clusterIPs: Invalid value: []string{\"10.0.0.1\", "
                                                  "\"10.0.0.2\"}: may specify no more than one IP for each IP family" },
    { "/spec/clusterIPs=['10.0.0.1','fd00::1']; /spec/ipFamilies=['IPv6','IPv6']",
      "[spec.ipFamilies[1]: Duplicate value: \"IPv6\", spec.clusterIPs[0]: Invalid value: \"10.0.0.1\": expected an "
      "IPv6 value as indicated by `ipFamilies[0]`]" },
    { "/spec/clusterIPs=['10.0.0.1','fd00::1']; /spec/ipFamilies=['IPv6','IPv4']",
      "[spec.clusterIPs[0]: Invalid value: \"10.0.0.1\": expected an IPv6 value as indicated by `ipFamilies[0]`, "
      "spec.clusterIPs[1]: Invalid value: \"fd00::1\": expected an IPv4 value as indicated by `ipFamilies[1]`]" },
    { "/spec/ipFamilies=['IPv5']",
      "spec.ipFamilies[0]: Unsupported value: \"IPv5\": supported values: \"IPv4\", \"IPv6\"" },
    { "/spec/ipFamilyPolicy='Some'", "spec.ipFamilyPolicy: Unsupported value: \"Some\": supported values: "
                                     "\"SingleStack\", \"PreferDualStack\", \"RequireDualStack\"" },
    { "/spec/externalIPs=['x','127.0.0.1','169.254.1.1','0.0.0.0','224.0.0.5','fe80::1']",
      "[spec.externalIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff), "
      "spec.externalIPs[1]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128), "
      "spec.externalIPs[2]: Invalid value: \"169.254.1.1\": may not be in the link-local range (169.254.0.0/16, "
      "fe80::/10), spec.externalIPs[3]: Invalid value: \"0.0.0.0\": may not be unspecified (0.0.0.0), "
      "spec.externalIPs[4]: Invalid value: \"224.0.0.5\": may not be in the link-local multicast range (224.0.0.0/24, "
      "ff02::/10), spec.externalIPs[5]: Invalid value: \"fe80::1\": may not be in the link-local range "
      "(169.254.0.0/16, fe80::/10)]" },
    { "/spec/loadBalancerSourceRanges=['10.0.0.0/8']",
      "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'" },
    { "/spec/type='LoadBalancer'; /spec/loadBalancerSourceRanges=[' 10.0.0.0/8','x']",
      "spec.LoadBalancerSourceRanges[1]: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or "
      "2001:db8::/64)" },
    { "/metadata/annotations={'service.beta.kubernetes.io/load-balancer-source-ranges':'10.0.0.0/8,y'}",
      "[metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Forbidden: may only be used when "
      "`type` is 'LoadBalancer', metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid "
      "value: \"y\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)]" },
    { "/spec/allocateLoadBalancerNodePorts=true",
      "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'" },
    { "/spec/loadBalancerClass='a/b'",
      "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'" },
    { "/spec/type='LoadBalancer'; /spec/loadBalancerClass='a b'",
      "spec.loadBalancerClass: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or "
      "'.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
      "used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')" },
    { "/spec/externalTrafficPolicy='Local'",
      "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services" },
    { "/spec/externalTrafficPolicy='Local'; /spec/externalIPs=['192.0.2.1']", "" },
    { "/spec/type='NodePort'; /spec/externalTrafficPolicy='Far'",
      "spec.externalTrafficPolicy: Unsupported value: \"Far\": supported values: \"Cluster\", \"Local\"" },
    { "/spec/healthCheckNodePort=30000", "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` "
                                         "is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'" },
    { "/spec/internalTrafficPolicy='Far'",
      "spec.internalTrafficPolicy: Unsupported value: \"Far\": supported values: \"Cluster\", \"Local\"" },
    { "/spec/trafficDistribution='Near'",
      "spec.trafficDistribution: Unsupported value: \"Near\": supported values: \"PreferClose\"" },
    { "/metadata/name='0s'",
      "metadata.name: Invalid value: \"0s\": a DNS-1035 label must consist of lower case alphanumeric characters or "
      "'-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
      "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')" },
  };
  case_creates(BASE_SERVICE, cases, G_N_ELEMENTS(cases));
}

#define BASE_EXTERNAL_NAME                                                                                             \
  "{'kind':'Service','apiVersion':'v1','metadata':{'name':'s','namespace':'n'},'spec':{'type':'ExternalName','"        \
  "externalName':'example.com.'}}"

static void test_external_name(void)
{
  static const ValidationCase cases[] = {
    { "/spec/externalName=null", "spec.externalName: Required value" },
    { "/spec/externalName='a_b'",
      "spec.externalName: Invalid value: \"a_b\": a lowercase RFC 1123 subdomain must consist of lower case "
      "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
      "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')" },
    { "/spec/clusterIP='10.0.0.1'; /spec/ipFamilies=['IPv4']; /spec/ipFamilyPolicy='SingleStack'",
      "[spec.clusterIPs: Forbidden: may not be set for ExternalName services, spec.ipFamilies: Forbidden: may not be "
      "set for ExternalName services, spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services]" },
  };
  case_creates(BASE_EXTERNAL_NAME, cases, G_N_ELEMENTS(cases));
}

#define BASE_ALLOCATED                                                                                                 \
  "{'kind':'Service','apiVersion':'v1','metadata':{'name':'s','namespace':'n'},'spec':{'type':'LoadBalancer','"        \
  "externalTrafficPolicy':'Local','healthCheckNodePort':30001,'clusterIP':'10.0.0.1','ipFamilies':['IPv4'],'"          \
  "ipFamilyPolicy':'SingleStack','ports':[{'port':80,'nodePort':30000}]}}"

static void test_allocated_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/clusterIP='10.0.0.2'",
      "spec.clusterIPs[0]: Invalid value: []string{\"10.0.0.2\"}: may not change once set" },
    { "/spec/clusterIP=null; /spec/clusterIPs=null", "" },
    { "/spec/clusterIPs=['10.0.0.1','fd00::1']; /spec/ipFamilies=['IPv4','IPv6']; "
      "/spec/ipFamilyPolicy='PreferDualStack'",
      "" },
    { "/spec/ipFamilies=['IPv6']",
      "[spec.ipFamilies[0]: Invalid value: []string{\"IPv6\"}: may not change once set, spec.clusterIPs[0]: Invalid "
      "value: \"10.0.0.1\": expected an IPv6 value as indicated by `ipFamilies[0]`]" },
    { "/spec/loadBalancerClass='a/b'", "spec.loadBalancerClass: Invalid value: \"a/b\": may not change once set" },
    { "/spec/healthCheckNodePort=30002", "spec.healthCheckNodePort: Forbidden: field is immutable" },
    { "/spec/type='ClusterIP'", "" },
    { "/spec/type='ExternalName'; /spec/externalName='a.b'", "" },
  };
  case_updates(BASE_ALLOCATED, cases, G_N_ELEMENTS(cases));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/validation/service/service", test_service);
  g_test_add_func("/validation/service/external-name", test_external_name);
  g_test_add_func("/validation/service/allocated/update", test_allocated_update);
  return g_test_run();
}
