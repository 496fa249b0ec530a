/* Endpoints, certificate requests, priority classes, leases, revisions, storage drivers, config maps and secrets. */
#include "base/json.h"
#include "validation_case.h"

#define BASE_ENDPOINTS                                                                                                 \
  "{'kind':'Endpoints','apiVersion':'v1','metadata':{'name':'e','namespace':'n'},'subsets':[{'addresses':[{'ip':'10."  \
  "0.0.1'}],'ports':[{'port':80}]}]}"

static void test_endpoints(void)
{
  static const ValidationCase cases[] = {
    { "/subsets/0/addresses=null", "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`" },
    { "/subsets/0/addresses/0/ip='x'", "subsets[0].addresses[0].ip: Invalid value: \"x\": must be a valid IP address, "
                                       "(e.g. 10.9.8.7 or 2001:db8::ffff)" },
    { "/subsets/0/addresses/0/ip='127.0.0.1'", "subsets[0].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be "
                                               "in the loopback range (127.0.0.0/8, ::1/128)" },
    { "/subsets/0/addresses/0/hostname='A'",
      "subsets[0].addresses[0].hostname: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case "
      "alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or "
      "'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')" },
    { "/subsets/0/addresses/0/nodeName='A'",
      "subsets[0].addresses[0].nodeName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower "
      "case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
      "'example.com', regex used for validation is "
      "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')" },
    { "/subsets/0/ports/0/port=0",
      "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive" },
    { "/subsets/0/ports/1={'port':81}",
      "[subsets[0].ports[0].name: Required value, subsets[0].ports[1].name: Required value]" },
    { "/subsets/0/ports/0/name='A'",
      "subsets[0].ports[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case "
      "alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or "
      "'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')" },
    { "/subsets/0/ports/0/protocol='ICMP'",
      "subsets[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"" },
  };
  case_creates(BASE_ENDPOINTS, cases, G_N_ELEMENTS(cases));
}

#define BASE_OWN_ENDPOINTS                                                                                             \
  "{'kind':'Endpoints','apiVersion':'v1','metadata':{'name':'kubernetes','namespace':'default'}}"

static void test_own_endpoints(void)
{
  static const ValidationCase cases[] = {
    { "/subsets=[{'addresses':[{'ip':'127.0.0.1'}]}]", "" },
    { "/subsets=[{'addresses':[{'ip':'x'}]}]", "subsets[0].addresses[0].ip: Invalid value: \"x\": must be a valid IP "
                                               "address, (e.g. 10.9.8.7 or 2001:db8::ffff)" },
  };
  case_creates(BASE_OWN_ENDPOINTS, cases, G_N_ELEMENTS(cases));
}

#define BASE_ENDPOINT_SLICE                                                                                            \
  "{'kind':'EndpointSlice','apiVersion':'discovery.k8s.io/"                                                            \
  "v1','metadata':{'name':'e','namespace':'n'},'addressType':'IPv4','endpoints':[{'addresses':['10.0.0.1']}],'ports':" \
  "[{'name':'','port':80}]}"

static void test_endpoint_slice(void)
{
  static const ValidationCase cases[] = {
    { "/addressType='IPX'", "addressType: Unsupported value: \"IPX\": supported values: \"FQDN\", \"IPv4\", \"IPv6\"" },
    { "/endpoints/0/addresses=[]", "endpoints[0].addresses: Required value: must contain at least 1 address" },
    { "/endpoints/0/addresses=['fd00::1','x','127.0.0.1']",
      "[endpoints[0].addresses[0]: Invalid value: \"fd00::1\": must be a valid IPv4 address, "
      "endpoints[0].addresses[1]: Invalid value: \"x\": must be a valid IPv4 address, endpoints[0].addresses[2]: "
      "Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)]" },
    { "/addressType='IPv6'", "endpoints[0].addresses[0]: Invalid value: \"10.0.0.1\": must be a valid IPv6 address" },
    { "/addressType='FQDN'; /endpoints/0/addresses=['host','a.b']",
      "endpoints[0].addresses[0]: Invalid value: \"host\": should be a domain with at least two segments separated by "
      "dots" },
    { "/endpoints/0/hostname='A'",
      "endpoints[0].hostname: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric "
      "characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
      "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')" },
    { "/endpoints/0/nodeName='A'",
      "endpoints[0].nodeName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case "
      "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
      "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')" },
    { "/endpoints/0/hints={'forZones':[{'name':'a'},{'name':'a'},{'name':'!'}]}",
      "[endpoints[0].hints.forZones[1].name: Duplicate value: \"a\", endpoints[0].hints.forZones[2].name: Invalid "
      "value: \"!\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
      "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
      "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')]" },
    { "/ports=[{'name':'a','port':1},{'name':'a','port':2}]", "ports[1].name: Duplicate value: \"a\"" },
    { "/ports/0/name='A'",
      "ports[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric "
      "characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
      "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')" },
    { "/ports/0/protocol='ICMP'",
      "ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"" },
    { "/ports/0/appProtocol='a b'",
      "ports[0].appProtocol: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or "
      "'.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
      "used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')" },
  };
  case_creates(BASE_ENDPOINT_SLICE, cases, G_N_ELEMENTS(cases));
}

static void test_endpoint_slice_update(void)
{
  static const ValidationCase cases[] = {
    { "/addressType='IPv6'; /endpoints=[]", "addressType: Invalid value: \"IPv6\": field is immutable" },
  };
  case_updates(BASE_ENDPOINT_SLICE, cases, G_N_ELEMENTS(cases));
}

#define BASE_REQUEST                                                                                                   \
  "{'kind':'CertificateSigningRequest','apiVersion':'certificates.k8s.io/"                                             \
  "v1','metadata':{'name':'c'},'spec':{'request':'"                                                                    \
  "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIR01HNENBUUF3RERFS01BZ0dBMVVFQXd3Qll6QlpNQk1H"                   \
  "QnlxR1NNNDlBZ0VHQ0NxR1NNNDlBd0VIQTBJQQpCTDBnQ3pOSUlxRmozSzRHL2V2MGpKc1dndG5zME4xUEFhRFZyVEd2Q1ZY"                   \
  "RXhIclFmY2tJTU1tTFVNOHM0R2ovCnpETExRMFc2alJOZHE1ZXNBNjh5MTBpZ0FEQUtCZ2dxaGtqT1BRUURBZ05JQURCRkFp"                   \
  "RUF2Q1JjbGZSaENueksKZUVXQTUvSGdGQ29ZVVJocFl2UGFNeHRzN200T3hmWUNJQUZtQ29OL09xY2tSaXV1RlB2cVFtZ1lK"                   \
  "UjNFWXZMRwo2WmZReUllbDU0bTEKLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg=="                                       \
  "','signerName':'example.com/s','usages':['client auth']}}"

static void test_request(void)
{
  static const ValidationCase cases[] = {
    { "/spec/request=null", "spec.request: Required value" },
    { "/spec/request='YWI='",
      "spec.request: Invalid value: []byte{0x61, 0x62}: PEM block type must be CERTIFICATE REQUEST" },
    { "/spec/usages=[]", "spec.usages: Required value" },
    { "/spec/usages=['client auth','party','client auth']",
      "[spec.usages[1]: Unsupported value: \"party\": supported values: \"any\", \"cert sign\", \"client auth\", "
      "\"code signing\", \"content commitment\", \"crl sign\", \"data encipherment\", \"decipher only\", \"digital "
      "signature\", \"email protection\", \"encipher only\", \"ipsec end system\", \"ipsec tunnel\", \"ipsec user\", "
      "\"key agreement\", \"key encipherment\", \"microsoft sgc\", \"netscape sgc\", \"ocsp signing\", \"s/mime\", "
      "\"server auth\", \"signing\", \"timestamping\", spec.usages[2]: Duplicate value: \"client auth\"]" },
    { "/spec/signerName=''", "spec.signerName: Required value" },
    { "/spec/signerName='example'", "spec.signerName: Invalid value: \"example\": must be a fully qualified domain and "
                                    "path of the form 'example.com/signer-name'" },
    { "/spec/signerName='example/s'",
      "spec.signerName: Invalid value: \"example\": should be a domain with at least two segments separated by dots" },
    { "/spec/signerName='Ex.com/S'",
      "[spec.signerName: Invalid value: \"Ex.com\": validating label \"Ex\": a lowercase RFC 1123 label must consist "
      "of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. "
      "'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'), spec.signerName: "
      "Invalid value: \"S\": validating label \"S\": a lowercase RFC 1123 subdomain must consist of lower case "
      "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
      "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')]" },
    { "/spec/signerName='kubernetes.io/legacy-unknown'",
      "spec.signerName: Invalid value: \"kubernetes.io/legacy-unknown\": the legacy signerName is not allowed via this "
      "API version" },
    { "/spec/expirationSeconds=5",
      "spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 600 seconds (10 minutes)" },
  };
  case_creates(BASE_REQUEST, cases, G_N_ELEMENTS(cases));
}

static void test_request_update(void)
{
  static const ValidationCase cases[] = {
    { "/status={'conditions':[{'type':'Approved','status':'True'}]}", "" },
    { "/spec/signerName='example.com/t'", "" },
  };
  case_updates(BASE_REQUEST, cases, G_N_ELEMENTS(cases));
}

#define BASE_PRIORITY_CLASS                                                                                            \
  "{'kind':'PriorityClass','apiVersion':'scheduling.k8s.io/v1','metadata':{'name':'p'},'value':5}"

static void test_priority_class(void)
{
  static const ValidationCase cases[] = {
    { "/value=1000000001", "value: Forbidden: maximum allowed value of a user defined priority is 1000000000" },
    { "/metadata/name='system-mine'",
      "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
      "system-mine is not a known system priority class" },
    { "/metadata/name='system-node-critical'",
      "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
      "value of system-node-critical PriorityClass must be 2000001000" },
    { "/metadata/name='system-node-critical'; /value=2000001000", "" },
    { "/preemptionPolicy='Maybe'",
      "preemptionPolicy: Unsupported value: \"Maybe\": supported values: \"Never\", \"PreemptLowerPriority\"" },
  };
  case_creates(BASE_PRIORITY_CLASS, cases, G_N_ELEMENTS(cases));
}

static void test_priority_class_update(void)
{
  static const ValidationCase cases[] = {
    { "/value=6", "value: Forbidden: may not be changed in an update." },
    { "/preemptionPolicy='Never'", "preemptionPolicy: Invalid value: \"Never\": field is immutable" },
    { "/description='d'", "" },
  };
  case_updates(BASE_PRIORITY_CLASS, cases, G_N_ELEMENTS(cases));
}

#define BASE_LEASE                                                                                                     \
  "{'kind':'Lease','apiVersion':'coordination.k8s.io/v1','metadata':{'name':'l','namespace':'n'},'spec':{}}"

static void test_lease(void)
{
  static const ValidationCase cases[] = {
    { "/spec/leaseDurationSeconds=0", "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0" },
    { "/spec/leaseTransitions=-1", "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/strategy='Youngest'",
      "spec.strategy.strategy: Unsupported value: \"Youngest\": supported values: \"OldestEmulationVersion\"" },
    { "/spec/preferredHolder='h'", "spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined" },
  };
  case_creates(BASE_LEASE, cases, G_N_ELEMENTS(cases));
}

#define BASE_REVISION                                                                                                  \
  "{'kind':'ControllerRevision','apiVersion':'apps/"                                                                   \
  "v1','metadata':{'name':'r','namespace':'n'},'revision':1,'data':{'a':'b'}}"

static void test_revision(void)
{
  static const ValidationCase cases[] = {
    { "/data=null", "data: Required value: data is mandatory" },
    { "/revision=-1", "revision: Invalid value: -1: must be greater than or equal to 0" },
  };
  case_creates(BASE_REVISION, cases, G_N_ELEMENTS(cases));
}

static void test_revision_update(void)
{
  static const ValidationCase cases[] = {
    { "/data={'a':'c'}", "data: Invalid value: map[string]string{\"a\":\"c\"}: field is immutable" },
    { "/revision=2", "" },
  };
  case_updates(BASE_REVISION, cases, G_N_ELEMENTS(cases));
}

#define BASE_CSI_DRIVER                                                                                                \
  "{'kind':'CSIDriver','apiVersion':'storage.k8s.io/v1','metadata':{'name':'d.example.com'},'spec':{}}"

static void test_csi_driver(void)
{
  static const ValidationCase cases[] = {
    { "/spec/fsGroupPolicy='Some'", "spec.fsGroupPolicy: Unsupported value: \"Some\": supported values: \"File\", "
                                    "\"None\", \"ReadWriteOnceWithFSType\"" },
  };
  case_creates(BASE_CSI_DRIVER, cases, G_N_ELEMENTS(cases));
}

static void test_csi_driver_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/attachRequired=false", "spec.attachedRequired: Invalid value: false: field is immutable" },
    { "/spec/volumeLifecycleModes=['Ephemeral']",
      "spec.volumeLifecycleModes: Invalid value: []string{\"Ephemeral\"}: field is immutable" },
    { "/spec/podInfoOnMount=true", "" },
  };
  case_updates(BASE_CSI_DRIVER, cases, G_N_ELEMENTS(cases));
}

#define BASE_CSI_NODE                                                                                                  \
  "{'kind':'CSINode','apiVersion':'storage.k8s.io/"                                                                    \
  "v1','metadata':{'name':'n'},'spec':{'drivers':[{'name':'d.example.com','nodeID':'n'}]}}"

static void test_csi_node(void)
{
  static const ValidationCase cases[] = {
    { "/spec/drivers=[{'name':'','nodeID':''}]",
      "[spec.drivers[0].name: Required value, spec.drivers[0].nodeID: Required value]" },
    { "/spec/drivers/1={'name':'d.example.com','nodeID':'m'}",
      "spec.drivers[1].name: Duplicate value: \"d.example.com\"" },
    { "/spec/drivers/0/topologyKeys=['a','a','!']",
      "[spec.drivers[0]: Duplicate value: \"a\", spec.drivers[0]: Invalid value: \"!\": name part must consist of "
      "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName', "
      " or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')]" },
    { "/spec/drivers/0/allocatable={'count':-1}",
      "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0" },
  };
  case_creates(BASE_CSI_NODE, cases, G_N_ELEMENTS(cases));
}

static void test_csi_node_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/drivers/0/nodeID='m'", "spec.drivers: Invalid value: map[string]string{\"name\":\"d.example.com\", "
                                    "\"nodeID\":\"m\"}: field is immutable" },
  };
  case_updates(BASE_CSI_NODE, cases, G_N_ELEMENTS(cases));
}

#define BASE_ATTACHMENT                                                                                                \
  "{'kind':'VolumeAttachment','apiVersion':'storage.k8s.io/"                                                           \
  "v1','metadata':{'name':'a'},'spec':{'attacher':'d.example.com','nodeName':'n','source':{'persistentVolumeName':'v'" \
  "}}}"

static void test_attachment(void)
{
  static const ValidationCase cases[] = {
    { "/spec/attacher=''", "spec.attacher: Required value" },
    { "/spec/nodeName='A'",
      "spec.nodeName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
      "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
      "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')" },
    { "/spec/source={}",
      "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName" },
    { "/spec/source={'persistentVolumeName':''}",
      "spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName" },
  };
  case_creates(BASE_ATTACHMENT, cases, G_N_ELEMENTS(cases));
}

static void test_attachment_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/nodeName='m'", "spec: Invalid value: "
                            "{\"attacher\":\"d.example.com\",\"source\":{\"persistentVolumeName\":\"v\"},\"nodeName\":"
                            "\"m\"}: field is immutable" },
  };
  case_updates(BASE_ATTACHMENT, cases, G_N_ELEMENTS(cases));
}

#define BASE_CONFIG_MAP                                                                                                \
  "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'c','namespace':'n'},'data':{'a':'b'}}"

static void test_config_map(void)
{
  static const ValidationCase cases[] = {
    { "/data={'a b':'c'}",
      "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
      "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')" },
    { "/data={'..':'c'}", "data[..]: Invalid value: \"..\": must not be '..'" },
    { "/binaryData={'a':'YQ=='}", "data[a]: Invalid value: \"a\": duplicate of key present in binaryData" },
    { "/binaryData={'a/b':'YQ=='}",
      "binaryData[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' "
      "or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')" },
  };
  case_creates(BASE_CONFIG_MAP, cases, G_N_ELEMENTS(cases));
}

#define BASE_IMMUTABLE_CONFIG_MAP                                                                                      \
  "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'c','namespace':'n'},'data':{'a':'b'},'immutable':true}"

static void test_immutable_config_map_update(void)
{
  static const ValidationCase cases[] = {
    { "/data/a='c'", "data: Forbidden: field is immutable when `immutable` is set" },
    { "/immutable=null", "immutable: Forbidden: field is immutable when `immutable` is set" },
    { "/metadata/labels={'a':'b'}", "" },
  };
  case_updates(BASE_IMMUTABLE_CONFIG_MAP, cases, G_N_ELEMENTS(cases));
}

#define BASE_SECRET "{'kind':'Secret','apiVersion':'v1','metadata':{'name':'s','namespace':'n'}}"

static void test_secret(void)
{
  static const ValidationCase cases[] = {
    { "/type='kubernetes.io/tls'", "[data[tls.crt]: Required value, data[tls.key]: Required value]" },
    { "/type='kubernetes.io/basic-auth'", "[data[username]: Required value, data[password]: Required value]" },
    { "/type='kubernetes.io/ssh-auth'; /data={'ssh-privatekey':''}", "data[ssh-privatekey]: Required value" },
    { "/type='kubernetes.io/dockerconfigjson'; /data={'.dockerconfigjson':'e30='}", "" },
    { "/type='kubernetes.io/dockerconfigjson'; /data={'.dockerconfigjson':'e30x'}",
      "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": end of file expected near '1'" },
    { "/type='kubernetes.io/dockercfg'", "data[.dockercfg]: Required value" },
    { "/type='kubernetes.io/service-account-token'",
      "metadata.annotations[kubernetes.io/service-account.name]: Required value" },
  };
  case_creates(BASE_SECRET, cases, G_N_ELEMENTS(cases));
}

static void test_secret_update(void)
{
  static const ValidationCase cases[] = {
    { "/type='kubernetes.io/tls'", "[type: Invalid value: \"kubernetes.io/tls\": field is immutable, data[tls.crt]: "
                                   "Required value, data[tls.key]: Required value]" },
  };
  case_updates(BASE_SECRET, cases, G_N_ELEMENTS(cases));
}

/* A megabyte of values, whatever their keys: as many bytes as are allowed, then one more. */
static void check_size(const char *kind, const char *member, bool base64, const char *expected)
{
  const gsize limit = 1024 * 1024;
  g_autofree char *fill = g_strnfill(limit / 2, 'x'), *large = g_strnfill(limit / 2 + 1, 'y');
  g_autofree char *fill64 = g_base64_encode((const guchar *)fill, limit / 2);
  g_autofree char *large64 = g_base64_encode((const guchar *)large, limit / 2 + 1);
  g_autofree char *first = base64 ? g_steal_pointer(&fill64) : g_steal_pointer(&fill);
  g_autofree char *fits = g_strdup_printf("{'kind':'%s','apiVersion':'v1','metadata':{'name':'a','namespace':'n'},"
                                          "'%s':{'a':'%s','a-key-of-some-length':'%s'}}",
                                          kind, member, first, first);
  g_autofree char *change = g_strdup_printf("{'%s':{'a':'%s'}}", member, base64 ? large64 : large);
  g_autoptr(json_t) stored = case_create(fits);
  case_update_fails(stored, change, expected);
  json_t *data = json_object_get(stored, member);
  json_object_set_new(data, "a", json_string(base64 ? large64 : large));
  g_autofree char *text = json_text(stored);
  case_create_fails(text, expected);
}

static void test_sizes(void)
{
  check_size("ConfigMap", "data", false,
             "ConfigMap \"a\" is invalid: []: Too long: may not be more than 1048576 bytes");
  check_size("ConfigMap", "binaryData", true,
             "ConfigMap \"a\" is invalid: []: Too long: may not be more than 1048576 bytes");
  check_size("Secret", "data", true, "Secret \"a\" is invalid: data: Too long: may not be more than 1048576 bytes");
}

#define BASE_RUNTIME_CLASS                                                                                             \
  "{'kind':'RuntimeClass','apiVersion':'node.k8s.io/v1','metadata':{'name':'r'},'handler':'runc'}"

static void test_runtime_class(void)
{
  static const ValidationCase cases[] = {
    { "/handler=null", "handler: Invalid value: \"\": a lowercase RFC 1123 label must consist of lower case "
                       "alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. "
                       "'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')" },
    { "/handler='A_b'", "handler: Invalid value: \"A_b\": a lowercase RFC 1123 label must consist of lower case "
                        "alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. "
                        "'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')" },
    { "/overhead={'podFixed':{'cpu':'-1','foo':'1'}}",
      "[overhead.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0, overhead.limits[foo]: Invalid "
      "value: \"foo\": must be a standard resource type or fully qualified, overhead.limits[foo]: Invalid value: "
      "\"foo\": must be a standard resource for containers]" },
    { "/scheduling={'nodeSelector':{'a':'!'}}",
      "scheduling.nodeSelector: Invalid value: \"!\": a valid label must be an empty string or consist of alphanumeric "
      "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
      "'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')" },
    { "/scheduling={'tolerations':[{'operator':'Exists'},{'operator':'Exists'}]}",
      "scheduling.tolerations[1]: Duplicate value: map[string]string{\"operator\":\"Exists\"}" },
  };
  case_creates(BASE_RUNTIME_CLASS, cases, G_N_ELEMENTS(cases));
}

static void test_runtime_class_update(void)
{
  static const ValidationCase cases[] = {
    { "/handler='kata'", "handler: Invalid value: \"kata\": field is immutable" },
  };
  case_updates(BASE_RUNTIME_CLASS, cases, G_N_ELEMENTS(cases));
}

#define BASE_POD_TEMPLATE                                                                                              \
  "{'kind':'PodTemplate','apiVersion':'v1','metadata':{'name':'p','namespace':'n'},'template':{'spec':{'containers':[" \
  "{'name':'c','image':'i'}]}}}"

static void test_pod_template(void)
{
  static const ValidationCase cases[] = {
    { "/template/spec/containers=[]", "template.spec.containers: Required value" },
    { "/template/spec/ephemeralContainers=[{'name':'e','image':'i'}]",
      "template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template" },
  };
  case_creates(BASE_POD_TEMPLATE, cases, G_N_ELEMENTS(cases));
}

#define EVENT                                                                                                          \
  "{'kind':'Event','apiVersion':'v1','metadata':{'name':'e','namespace':'n'},'involvedObject':{'kind':'Pod','name':'"  \
  "p',"                                                                                                                \
  "'namespace':'n'},'reason':'R','message':'m'}"
#define NEWER "/eventTime='2026-01-02T03:04:05.000006Z'; "

static void test_event(void)
{
  static const ValidationCase cases[] = {
    { "/involvedObject/namespace='o'",
      "involvedObject.namespace: Invalid value: \"o\": does not match event.namespace" },
    { "/involvedObject/namespace=null",
      "involvedObject.namespace: Invalid value: \"\": does not match event.namespace" },
    { "/involvedObject/namespace=null; /metadata/namespace='default'", "" },
    { "/involvedObject/namespace=null; /metadata/namespace='kube-system'",
      "involvedObject.namespace: Invalid value: \"\": does not match event.namespace" },
    { NEWER "/reportingComponent='a.io/b'; /reportingInstance='i'; /action='A'", "" },
    { NEWER "/involvedObject/namespace=null; /metadata/namespace='kube-system'; /reportingComponent='a'; "
            "/reportingInstance='i'; /action='A'",
      "" },
    { NEWER "/reportingComponent='a b'; /reason=''",
      "[reportingComponent: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or "
      "'.', "
      "and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
      "for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), reportingInstance: Required value, action: "
      "Required value, reason: Required value]" },
  };
  case_creates(EVENT, cases, G_N_ELEMENTS(cases));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/validation/cluster/endpoints", test_endpoints);
  g_test_add_func("/validation/cluster/own-endpoints", test_own_endpoints);
  g_test_add_func("/validation/cluster/endpoint-slice", test_endpoint_slice);
  g_test_add_func("/validation/cluster/endpoint-slice/update", test_endpoint_slice_update);
  g_test_add_func("/validation/cluster/request", test_request);
  g_test_add_func("/validation/cluster/request/update", test_request_update);
  g_test_add_func("/validation/cluster/priority-class", test_priority_class);
  g_test_add_func("/validation/cluster/priority-class/update", test_priority_class_update);
  g_test_add_func("/validation/cluster/lease", test_lease);
  g_test_add_func("/validation/cluster/revision", test_revision);
  g_test_add_func("/validation/cluster/revision/update", test_revision_update);
  g_test_add_func("/validation/cluster/csi-driver", test_csi_driver);
  g_test_add_func("/validation/cluster/csi-driver/update", test_csi_driver_update);
  g_test_add_func("/validation/cluster/csi-node", test_csi_node);
  g_test_add_func("/validation/cluster/csi-node/update", test_csi_node_update);
  g_test_add_func("/validation/cluster/attachment", test_attachment);
  g_test_add_func("/validation/cluster/attachment/update", test_attachment_update);
  g_test_add_func("/validation/cluster/config-map", test_config_map);
  g_test_add_func("/validation/cluster/immutable-config-map/update", test_immutable_config_map_update);
  g_test_add_func("/validation/cluster/secret", test_secret);
  g_test_add_func("/validation/cluster/secret/update", test_secret_update);
  g_test_add_func("/validation/cluster/sizes", test_sizes);
  g_test_add_func("/validation/cluster/runtime-class", test_runtime_class);
  g_test_add_func("/validation/cluster/runtime-class/update", test_runtime_class_update);
  g_test_add_func("/validation/cluster/pod-template", test_pod_template);
  g_test_add_func("/validation/cluster/event", test_event);
  return g_test_run();
}
