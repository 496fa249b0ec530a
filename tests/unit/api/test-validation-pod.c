/* The rules of pods: containers, environment, probes, mounts, volumes, resources, security, placement. */
#include "validation_case.h"

#define POD                                                                                                            \
  "{'kind':'Pod','apiVersion':'v1','metadata':{'name':'p','namespace':'n'},'spec':{'containers':[{'name':'c','image':" \
  "'i'}]}}"
#define CONTAINER "/spec/containers/0/"
#define AT "spec.containers[0]."

static void test_environment(void)
{
  static const ValidationCase cases[] = {
    { CONTAINER "env=[{'name':'','value':'x'}]", AT "env[0].name: Required value" },
    { CONTAINER "env=[{'name':'a=b','value':'x'}]",
      AT "env[0].name: Invalid value: \"a=b\": a valid environment variable name must consist only of printable ASCII "
         "characters other than '='" },
    { CONTAINER "env=[{'name':'A','valueFrom':{}}]", AT
      "env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` "
      "or `secretKeyRef`" },
    { CONTAINER "env=[{'name':'A','value':'x','valueFrom':{'fieldRef':{'fieldPath':'metadata.name'}}}]",
      AT "env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty" },
    { CONTAINER "env=[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':'metadata.name'},'secretKeyRef':{'name':'s',"
                "'key':'k'}}}]",
      AT "env[0].valueFrom: Invalid value: \"\": may not have more than one field specified at a time" },
    { CONTAINER "env=[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':''}}}]",
      AT "env[0].valueFrom.fieldRef.fieldPath: Required value" },
    { CONTAINER "env=[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':'spec.foo'}}}]", AT
      "env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.foo\": error converting fieldPath: field label not "
      "supported: spec.foo" },
    { CONTAINER "env=[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':'metadata.labels'}}}]",
      AT "env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"metadata.labels\": supported values: "
         "\"metadata.name\", \"metadata.namespace\", \"metadata.uid\", \"spec.nodeName\", \"spec.serviceAccountName\", "
         "\"status.hostIP\", \"status.hostIPs\", \"status.podIP\", \"status.podIPs\"" },
    { CONTAINER "env=[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':'metadata.labels[\\u0027app\\u0027]'}}}]", "" },
    { CONTAINER "env=[{'name':'A','valueFrom':{'resourceFieldRef':{'resource':'limits.gpu'}}}]",
      AT "env[0].valueFrom.resourceFieldRef.resource: Unsupported value: \"limits.gpu\": supported values: "
         "\"limits.cpu\", \"limits.ephemeral-storage\", \"limits.memory\", \"requests.cpu\", "
         "\"requests.ephemeral-storage\", \"requests.memory\"" },
    { CONTAINER "env=[{'name':'A','valueFrom':{'resourceFieldRef':{'resource':'limits.cpu','divisor':'1Mi'}}}]",
      AT "env[0].valueFrom.resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m and 1 are "
         "supported with the cpu resource" },
    { CONTAINER "env=[{'name':'A','valueFrom':{'configMapKeyRef':{'name':'m','key':''}}}]",
      AT "env[0].valueFrom.configMapKeyRef.key: Required value" },
    { CONTAINER "envFrom=[{'prefix':'X'}]",
      AT "envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`" },
    { CONTAINER "envFrom=[{'configMapRef':{'name':''}}]", AT "envFrom[0].configMapRef.name: Required value" },
  };
  case_creates(POD, cases, G_N_ELEMENTS(cases));
}

static void test_probes(void)
{
  static const ValidationCase cases[] = {
    { CONTAINER "livenessProbe={'periodSeconds':5}", AT "livenessProbe: Required value: must specify a handler type" },
    { CONTAINER "livenessProbe={'exec':{'command':[]}}", AT "livenessProbe.exec.command: Required value" },
    { CONTAINER "livenessProbe={'exec':{'command':['x']},'tcpSocket':{'port':1}}",
      AT "livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type" },
    { CONTAINER "livenessProbe={'httpGet':{'port':0}}",
      AT "livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive" },
    { CONTAINER "livenessProbe={'httpGet':{'port':'a_b','scheme':'FTP'}}",
      "[" AT "livenessProbe.httpGet.scheme: Unsupported value: \"FTP\": supported values: \"HTTP\", \"HTTPS\", " AT
      "livenessProbe.httpGet.port: Invalid value: \"a_b\": must contain only alpha-numeric characters (a-z, 0-9), and "
      "hyphens (-)]" },
    { CONTAINER "livenessProbe={'httpGet':{'port':80,'httpHeaders':[{'name':'a b','value':''}]}}",
      AT "livenessProbe.httpGet.httpHeaders: Invalid value: \"a b\": a valid HTTP header must consist of alphanumeric "
         "characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')" },
    { CONTAINER "livenessProbe={'grpc':{'port':70000}}",
      AT "livenessProbe.grpc.port: Invalid value: 70000: must be between 1 and 65535, inclusive" },
    { CONTAINER "livenessProbe={'tcpSocket':{'port':80},'successThreshold':2,'initialDelaySeconds':-1}",
      "[" AT "livenessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0, " AT
      "livenessProbe.successThreshold: Invalid value: 2: must be 1]" },
    { CONTAINER "readinessProbe={'tcpSocket':{'port':80},'terminationGracePeriodSeconds':5}",
      AT "readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes" },
    { CONTAINER "lifecycle={'preStop':{'sleep':{'seconds':31}}}", AT
      "lifecycle.preStop.sleep: Invalid value: 31: must be greater than 0 and less than "
      "terminationGracePeriodSeconds (30). Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep." },
    { "/spec/initContainers=[{'name':'i','image':'x','livenessProbe':{'tcpSocket':{'port':80}}}]",
      "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
      "restartPolicy=Always" },
    { "/spec/initContainers=[{'name':'i','image':'x','restartPolicy':'Never'}]",
      "spec.initContainers[0].restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"" },
    { CONTAINER "restartPolicy='Always'", AT "restartPolicy: Forbidden: may not be set for non-init containers" },
  };
  case_creates(POD, cases, G_N_ELEMENTS(cases));
}

static void test_containers(void)
{
  static const ValidationCase cases[] = {
    { "/spec/containers=[]", "spec.containers: Required value" },
    { CONTAINER "image=null", AT "image: Required value" },
    { CONTAINER "image=' i'", AT "image: Invalid value: \" i\": must not have leading or trailing whitespace" },
    { CONTAINER "imagePullPolicy='Sometimes'", AT
      "imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"" },
    { CONTAINER "ports=[{'containerPort':0},{'containerPort':70000,'protocol':'ICMP'}]",
      "[" AT "ports[0].containerPort: Required value, " AT
      "ports[1].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive, " AT
      "ports[1].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"]" },
    { "/spec/containers/1={'name':'c','image':'i'}", "spec.containers[1].name: Duplicate value: \"c\"" },
    { "/spec/initContainers=[{'name':'c','image':'i'}]", "spec.initContainers[0].name: Duplicate value: \"c\"" },
    { CONTAINER "ports=[{'containerPort':1,'hostPort':5},{'containerPort':2,'hostPort':5}]",
      AT "ports[1].hostPort: Duplicate value: \"TCP//5\"" },
    { "/spec/restartPolicy='Maybe'; /spec/dnsPolicy='x'",
      "[spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"OnFailure\", \"Never\", "
      "spec.dnsPolicy: Unsupported value: \"x\": supported values: \"ClusterFirstWithHostNet\", \"ClusterFirst\", "
      "\"Default\", \"None\"]" },
    { "/spec/dnsPolicy='None'", "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None" },
    { "/spec/dnsConfig={'nameservers':['1.1.1.1','x','2.2.2.2','3.3.3.3'],'options':[{}]}",
      "[spec.dnsConfig.nameservers[1]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or "
      "2001:db8::ffff), spec.dnsConfig.nameservers: Invalid value: []string{\"1.1.1.1\", \"x\", \"2.2.2.2\", "
      "\"3.3.3.3\"}: must not have more than 3 nameservers, spec.dnsConfig.options[0]: Required value: must not be "
      "empty]" },
    { "/spec/activeDeadlineSeconds=0",
      "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive" },
    { "/spec/hostAliases=[{'ip':'300.1.1.1','hostnames':['a']}]",
      "spec.hostAliases[0].ip: Invalid value: \"300.1.1.1\": must be a valid IP address, (e.g. 10.9.8.7 or "
      "2001:db8::ffff)" },
    { "/spec/os={'name':'plan9'}", "spec.os: Unsupported value: \"plan9\": supported values: \"linux\", \"windows\"" },
    { "/spec/schedulingGates=[{'name':'g'}]; /spec/nodeName='n'",
      "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared" },
    { "/spec/preemptionPolicy='x'",
      "spec.preemptionPolicy: Unsupported value: \"x\": supported values: \"PreemptLowerPriority\", \"Never\"" },
  };
  case_creates(POD, cases, G_N_ELEMENTS(cases));
}

static void test_mounts(void)
{
  static const ValidationCase cases[] = {
    { CONTAINER "volumeMounts=[{'name':'v','mountPath':'/a'}]", AT "volumeMounts[0].name: Not found: \"v\"" },
    { "/spec/volumes=[{'name':'v'}]; " CONTAINER
      "volumeMounts=[{'name':'v','mountPath':'/a'},{'name':'v','mountPath':'/a'}]",
      AT "volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique" },
    { "/spec/volumes=[{'name':'v'}]; " CONTAINER "volumeMounts=[{'name':'v','mountPath':'/a','subPath':'/b/../c'}]",
      "[" AT "volumeMounts.subPath: Invalid value: \"/b/../c\": must be a relative path, " AT
      "volumeMounts.subPath: Invalid value: \"/b/../c\": must not contain '..']" },
    { "/spec/volumes=[{'name':'v'}]; " CONTAINER
      "volumeMounts=[{'name':'v','mountPath':'/a','subPath':'b','subPathExpr':'c'}]",
      AT "volumeMounts[0].subPathExpr: Invalid value: \"c\": subPathExpr and subPath are mutually exclusive" },
    { "/spec/volumes=[{'name':'v'}]; " CONTAINER
      "volumeMounts=[{'name':'v','mountPath':'/a','mountPropagation':'Bidirectional'}]",
      AT "volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged "
         "containers" },
    { "/spec/volumes=[{'name':'v'}]; " CONTAINER
      "volumeMounts=[{'name':'v','mountPath':'/a','recursiveReadOnly':'Enabled'}]",
      AT "volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true" },
    { "/spec/volumes=[{'name':'v'}]; " CONTAINER "volumeDevices=[{'name':'v','devicePath':'/a/../b'}]",
      "[" AT "volumeDevices[0].name: Invalid value: \"v\": can only use volume source type of PersistentVolumeClaim or "
      "Ephemeral for block mode, " AT
      "volumeDevices[0].devicePath: Invalid value: \"/a/../b\": can not contain backsteps ('..')]" },
  };
  case_creates(POD, cases, G_N_ELEMENTS(cases));
}

static void test_volumes(void)
{
  static const ValidationCase cases[] = {
    { "/spec/volumes=[{'name':'A_'}]",
      "spec.volumes[0].name: Invalid value: \"A_\": a lowercase RFC 1123 label must consist of lower case alphanumeric "
      "characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
      "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')" },
    { "/spec/volumes=[{'name':'v'},{'name':'v'}]", "spec.volumes[1].name: Duplicate value: \"v\"" },
    { "/spec/volumes=[{'name':'v','emptyDir':{},'hostPath':{'path':'/'}}]",
      "spec.volumes[0].emptyDir: Forbidden: may not specify more than 1 volume type" },
    { "/spec/volumes=[{'name':'v','emptyDir':{'sizeLimit':'-1'}}]",
      "spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity" },
    { "/spec/volumes=[{'name':'v','hostPath':{'path':'/a/../b','type':'x'}}]",
      "[spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..', "
      "spec.volumes[0].hostPath.type: "
      "Unsupported value: \"x\": supported values: \"\", \"BlockDevice\", \"CharDevice\", \"Directory\", "
      "\"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\"]" },
    { "/spec/volumes=[{'name':'v','secret':{}}]", "spec.volumes[0].secret.secretName: Required value" },
    { "/spec/volumes=[{'name':'v','secret':{'secretName':'s','defaultMode':1000,'items':[{'key':'','path':'../a'}]}}]",
      "[spec.volumes[0].secret.items[0].key: Required value, spec.volumes[0].secret.items[0].path: Invalid value: "
      "\"../a\": must not contain '..', spec.volumes[0].secret.defaultMode: Invalid value: 1000: must be a number "
      "between 0 and 0777 (octal), both inclusive]" },
    { "/spec/volumes=[{'name':'v','configMap':{}}]", "spec.volumes[0].configMap.name: Required value" },
    { "/spec/volumes=[{'name':'v','persistentVolumeClaim':{'claimName':''}}]",
      "spec.volumes[0].persistentVolumeClaim.claimName: Required value" },
    { "/spec/volumes=[{'name':'v','nfs':{'server':'s','path':'a'}}]",
      "spec.volumes[0].nfs.path: Invalid value: \"a\": must be an absolute path" },
    { "/spec/volumes=[{'name':'v','downwardAPI':{'items':[{'path':'a'}]}}]",
      "spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required" },
    { "/spec/"
      "volumes=[{'name':'v','downwardAPI':{'items':[{'path':'a','resourceFieldRef':{'resource':'limits.cpu'}}]}}]",
      "spec.volumes[0].downwardAPI.resourceFieldRef.containerName: Required value" },
    { "/spec/volumes=[{'name':'v','projected':{'sources':[{'secret':{'name':'s','items':[{'key':'k','path':'p'}]}},{"
      "'configMap':{'name':'m','items':[{'key':'k','path':'p'}]}}]}}]",
      "spec.volumes[0].projected: Invalid value: \"m\": conflicting duplicate paths" },
    { "/spec/serviceAccountName='a'; /spec/volumes=[{'name':'v','projected':{'sources':[{'serviceAccountToken':{"
      "'expirationSeconds':60,'path':''}}]}}]",
      "[spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify "
      "a "
      "duration less than 10 minutes, spec.volumes[0].projected.path: Required value]" },
    { "/spec/volumes=[{'name':'v','csi':{'driver':'A B'}}]",
      "spec.volumes[0].csi.driver: Invalid value: \"A B\": a lowercase RFC 1123 subdomain must consist of lower case "
      "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
      "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')" },
  };
  case_creates(POD, cases, G_N_ELEMENTS(cases));
}

static void test_resources(void)
{
  static const ValidationCase cases[] = {
    { CONTAINER "resources={'limits':{'foo':'1'}}",
      "[" AT "resources.limits[foo]: Invalid value: \"foo\": must be a standard resource type or fully qualified, " AT
      "resources.limits[foo]: Invalid value: \"foo\": must be a standard resource for containers, " AT
      "resources.requests[foo]: Invalid value: \"foo\": must be a standard resource type or fully qualified, " AT
      "resources.requests[foo]: Invalid value: \"foo\": must be a standard resource for containers]" },
    { CONTAINER "resources={'limits':{'cpu':'-1'}}",
      "[" AT "resources.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0, " AT
      "resources.requests[cpu]: Invalid value: \"-1\": must be greater than or equal to 0]" },
    { CONTAINER "resources={'limits':{'cpu':'1'},'requests':{'cpu':'2'}}",
      AT "resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1" },
    { CONTAINER "resources={'requests':{'example.com/gpu':'1'}}",
      AT "resources.limits: Required value: Limit must be set for non overcommitable resources" },
    { CONTAINER "resources={'limits':{'example.com/gpu':'1'},'requests':{'example.com/gpu':'2'}}",
      AT "resources.requests: Invalid value: \"2\": must be equal to example.com/gpu limit of 1" },
    { CONTAINER "resources={'limits':{'example.com/gpu':'500m'}}",
      "[" AT "resources.limits[example.com/gpu]: Invalid value: \"500m\": must be an integer, " AT
      "resources.requests[example.com/gpu]: Invalid value: \"500m\": must be an integer]" },
    { CONTAINER "resources={'limits':{'hugepages-2Mi':'2Mi'}}",
      AT "resources: Forbidden: HugePages require cpu or memory" },
  };
  case_creates(POD, cases, G_N_ELEMENTS(cases));
}

static void test_security(void)
{
  static const ValidationCase cases[] = {
    { "/spec/securityContext={'runAsUser':-1,'supplementalGroups':[-2]}",
      "[spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive, "
      "spec.securityContext.supplementalGroups[0]: Invalid value: -2: must be between 0 and 2147483647, inclusive]" },
    { "/spec/securityContext={'seccompProfile':{'type':'Localhost'}}",
      "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is "
      "Localhost" },
    { "/spec/securityContext={'seccompProfile':{'type':''}}",
      "spec.securityContext.seccompProfile.type: Required value: type is required when seccompProfile is set" },
    { CONTAINER "securityContext={'appArmorProfile':{'type':'x'}}",
      AT "securityContext.appArmorProfile.type: Unsupported value: \"x\": supported values: \"Localhost\", "
         "\"RuntimeDefault\", \"Unconfined\"" },
    { "/spec/securityContext={'sysctls':[{'name':'a..b','value':'1'}]}",
      "spec.securityContext.sysctls[0].name: Invalid value: \"a..b\": must have at most 253 characters and match regex "
      "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$" },
    { "/spec/hostNetwork=true; /spec/securityContext={'sysctls':[{'name':'net.core.somaxconn','value':'1'}]}",
      "spec.securityContext.sysctls[0].name: Invalid value: \"net.core.somaxconn\": may not be specified when "
      "'hostNetwork' is true" },
    { "/spec/hostPID=true; /spec/shareProcessNamespace=true",
      "spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both "
      "be "
      "enabled" },
    { "/spec/hostUsers=false; /spec/hostNetwork=true",
      "spec.hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false" },
  };
  case_creates(POD, cases, G_N_ELEMENTS(cases));
}

static void test_placement(void)
{
  static const ValidationCase cases[] = {
    { "/spec/nodeSelector={'a b':'c'}",
      "spec.nodeSelector: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', "
      "and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
      "for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')" },
    { "/spec/affinity={'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':[]}}}",
      "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: "
      "must "
      "have at least one node selector term" },
    { "/spec/affinity={'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':[{"
      "'matchExpressions':[{'key':'a','operator':'Gt','values':['1','2']}],'matchFields':[{'key':'x','operator':'In',"
      "'values':['a']}]}]}}}",
      "[spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]."
      "matchExpressions[0].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt', "
      "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0]."
      "key: "
      "Invalid value: \"x\": not a valid field selector key]" },
    { "/spec/affinity={'nodeAffinity':{'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':101,'preference':{"
      "'matchExpressions':[{'key':'a','operator':'Foo'}]}}]}}",
      "[spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must "
      "be "
      "in the range 1-100, spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference."
      "matchExpressions[0].operator: Invalid value: \"Foo\": not a valid selector operator]" },
    { "/spec/affinity={'podAntiAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[{'topologyKey':''}]}}",
      "[spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: "
      "can "
      "not be empty, spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: "
      "Invalid "
      "value: \"\": name part must be non-empty, spec.affinity.podAntiAffinity."
      "requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: \"\": name part must consist of "
      "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName', "
      " "
      "or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')]" },
    { "/spec/topologySpreadConstraints=[{'maxSkew':0,'topologyKey':'','whenUnsatisfiable':'x','minDomains':0}]",
      "[spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero, "
      "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty, "
      "spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"x\": supported values: "
      "\"DoNotSchedule\", \"ScheduleAnyway\", spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be "
      "greater than zero, spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use minDomains if "
      "whenUnsatisfiable=DoNotSchedule, not x]" },
    { "/spec/"
      "topologySpreadConstraints=[{'maxSkew':1,'topologyKey':'z','whenUnsatisfiable':'DoNotSchedule'},{'maxSkew':2,"
      "'topologyKey':'z','whenUnsatisfiable':'DoNotSchedule'}]",
      "spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: \"{z, DoNotSchedule}\"" },
    { "/spec/tolerations=[{'key':'a','operator':'Exists','value':'b'},{'operator':'Equal'},{'key':'a','operator':"
      "'Foo','effect':'x'}]",
      "[spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists', "
      "spec.tolerations[1].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which "
      "means "
      "\"match all values and all keys\", spec.tolerations[2].effect: Unsupported value: \"x\": supported values: "
      "\"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\", spec.tolerations[2].operator: Unsupported value: \"Foo\": "
      "supported values: \"Equal\", \"Exists\"]" },
    { "/spec/tolerations=[{'key':'a','operator':'Exists','effect':'NoSchedule','tolerationSeconds':5}]",
      "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` "
      "is "
      "set" },
    { "/spec/schedulingGates=[{'name':'g'},{'name':'g'}]", "spec.schedulingGates[1]: Duplicate value: \"g\"" },
  };
  case_creates(POD, cases, G_N_ELEMENTS(cases));
}

#define USER(value) CONTAINER "securityContext={'windowsOptions':{'runAsUserName':" value "}}"
#define USER_AT AT "securityContext.windowsOptions.runAsUserName: Invalid value: "

static void test_windows(void)
{
  static const ValidationCase cases[] = {
    { USER("'ContainerAdministrator'"), "" },
    { USER("'NT AUTHORITY\\\\NETWORK SERVICE'"), "" },
    { USER("''"), USER_AT "\"\": runAsUserName cannot be an empty string" },
    { USER("'a\\\\b\\\\c'"), USER_AT "\"a\\\\b\\\\c\": runAsUserName cannot contain more than one backslash" },
    { USER("'a\\u0007b'"), USER_AT "\"a\\u0007b\": runAsUserName cannot contain control characters" },
    { USER("'.x\\\\u'"), USER_AT "\".x\\\\u\": runAsUserName's Domain doesn't match the NetBios nor the DNS format" },
    { USER("'a.b.example.com\\\\u'"), "" },
    { USER("'d\\\\'"), USER_AT "\"d\\\\\": runAsUserName's User cannot be empty" },
    { USER("'. .'"), USER_AT "\". .\": runAsUserName's User cannot contain only periods or spaces" },
    { USER("'a@b'"),
      USER_AT "\"a@b\": runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]" },
    { CONTAINER "securityContext={'windowsOptions':{'gmsaCredentialSpec':'','gmsaCredentialSpecName':'A'}}",
      "[" AT
      "securityContext.windowsOptions.gmsaCredentialSpecName: Invalid value: \"A\": a lowercase RFC 1123 subdomain "
      "must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric "
      "character (e.g. 'example.com', regex used for validation is "
      "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), " AT
      "securityContext.windowsOptions.gmsaCredentialSpec: Invalid value: \"\": gmsaCredentialSpec cannot be an empty "
      "string]" },
    { "/spec/hostNetwork=true; /spec/securityContext={'windowsOptions':{'hostProcess':true}}", "" },
    { "/spec/securityContext={'windowsOptions':{'hostProcess':true}}",
      "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers" },
    { "/spec/hostNetwork=true; " CONTAINER "securityContext={'windowsOptions':{'hostProcess':true}}; "
      "/spec/containers/1={'name':'d','image':'i'}",
      "spec: Invalid value: \"\": If pod contains any hostProcess containers then all containers must be HostProcess "
      "containers" },
    { "/spec/securityContext={'windowsOptions':{'hostProcess':false}}; /spec/hostNetwork=true; " CONTAINER
      "securityContext={'windowsOptions':{'hostProcess':true}}",
      AT "securityContext.windowsOptions.hostProcess: Invalid value: true: pod hostProcess value must be identical if "
         "both are specified, was false" },
    { "/spec/os={'name':'linux'}; /spec/securityContext={'windowsOptions':{'runAsUserName':'u'}}",
      "spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod" },
    { "/spec/os={'name':'windows'}; /spec/hostPID=true; "
      "/spec/securityContext={'seLinuxOptions':{'user':'u'},'runAsUser':1,"
      "'fsGroup':2}; " CONTAINER
      "securityContext={'privileged':true,'runAsGroup':1,'windowsOptions':{'runAsUserName':'u'}}",
      "[spec.securityContext.seLinuxOptions: Forbidden: cannot be set for a windows pod, spec.hostPID: Forbidden: "
      "cannot "
      "be set for a windows pod, spec.securityContext.fsGroup: Forbidden: cannot be set for a windows pod, "
      "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod, " AT
      "securityContext.privileged: Forbidden: cannot be set for a windows pod, " AT
      "securityContext.runAsGroup: Forbidden: cannot be set for a windows pod]" },
  };
  case_creates(POD, cases, G_N_ELEMENTS(cases));
}

static void test_resize_policy(void)
{
  static const ValidationCase cases[] = {
    { CONTAINER "resizePolicy=[{'resourceName':'cpu','restartPolicy':'NotRequired'},{'resourceName':'memory',"
                "'restartPolicy':'RestartContainer'}]",
      "" },
    { CONTAINER "resizePolicy=[{'resourceName':'cpu','restartPolicy':'NotRequired'},{'resourceName':'cpu',"
                "'restartPolicy':'NotRequired'}]",
      AT "resizePolicy[1]: Duplicate value: \"cpu\"" },
    { CONTAINER "resizePolicy=[{'resourceName':'gpu','restartPolicy':'NotRequired'}]",
      AT "resizePolicy: Unsupported value: \"gpu\": supported values: \"cpu\", \"memory\"" },
    { "/spec/restartPolicy='Never'; " CONTAINER
      "resizePolicy=[{'resourceName':'cpu','restartPolicy':'RestartContainer'}]",
      AT "resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when `restartPolicy` is 'Never'" },
  };
  case_creates(POD, cases, G_N_ELEMENTS(cases));
}

#define ARMOR "container.apparmor.security.beta.kubernetes.io/"

static void test_annotations(void)
{
  static const ValidationCase cases[] = {
    { "/metadata/annotations={'" ARMOR "c':'runtime/default','controller.kubernetes.io/pod-deletion-cost':'-5'}", "" },
    { "/metadata/annotations={'" ARMOR "d':'localhost/x'}",
      "metadata.annotations[" ARMOR "d]: Invalid value: \"d\": container not found" },
    { "/metadata/annotations={'" ARMOR "c':'x'}",
      "metadata.annotations[" ARMOR "c]: Invalid value: \"x\": invalid AppArmor profile name: \"x\"" },
    { "/metadata/annotations={'kubernetes.io/config.mirror':'h'}",
      "metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"h\": must set spec.nodeName if mirror pod "
      "annotation is set" },
    { "/metadata/annotations={'controller.kubernetes.io/pod-deletion-cost':'3000000000'}",
      "metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"3000000000\": must be a "
      "32bit "
      "integer" },
  };
  case_creates(POD, cases, G_N_ELEMENTS(cases));
}

/* The same in a template, and what an update may do to them. */
static void test_annotations_elsewhere(void)
{
  static const char deployment[] =
      "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d','namespace':'x'},'spec':{'selector':{"
      "'matchLabels':{'a':'b'}},'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':"
      "'i'}]}}}}";
  static const ValidationCase templates[] = {
    { "/spec/template/metadata/annotations={'" ARMOR "c':'localhost/x'}", "" },
    { "/spec/template/metadata/annotations={'" ARMOR "d':'localhost/x'}",
      "spec.template.annotations[" ARMOR "d]: Invalid value: \"d\": container not found" },
    { "/spec/template/metadata/annotations={'controller.kubernetes.io/pod-deletion-cost':'1.5'}",
      "spec.template.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"1.5\": must be a 32bit "
      "integer" },
    { "/spec/template/metadata/annotations={'kubernetes.io/config.mirror':'h'}",
      "spec.template.annotations[kubernetes.io/config.mirror]: Invalid value: \"h\": must set spec.nodeName if mirror "
      "pod annotation is set" },
  };
  static const ValidationCase updates[] = {
    { "/metadata/annotations={'controller.kubernetes.io/pod-deletion-cost':'7'}", "" },
    { "/metadata/annotations={'controller.kubernetes.io/pod-deletion-cost':'x'}",
      "metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"x\": must be a 32bit "
      "integer" },
    { "/metadata/annotations={'" ARMOR "c':'unconfined'}",
      "metadata.annotations[" ARMOR "c]: Forbidden: may not add AppArmor annotations" },
  };
  static const char mirrored[] =
      "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p','namespace':'x','annotations':{"
      "'kubernetes.io/config.mirror':'h','" ARMOR
      "c':'unconfined'}},'spec':{'nodeName':'n','containers':[{'name':'c','image':'i'}]}}";
  static const ValidationCase kept[] = {
    { "/metadata/labels={'a':'b'}", "" },
    { "/metadata/annotations/kubernetes.io~1config.mirror='g'",
      "metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not remove or update mirror pod annotation" },
    { "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1c=null",
      "metadata.annotations[" ARMOR "c]: Forbidden: may not remove or update AppArmor annotations" },
  };
  case_creates(deployment, templates, G_N_ELEMENTS(templates));
  case_updates(POD, updates, G_N_ELEMENTS(updates));
  case_updates(mirrored, kept, G_N_ELEMENTS(kept));
}

/* What an update may change, and what it may not. */
static void test_update(void)
{
  static const char elsewhere[] =
      "spec: Forbidden: pod updates may not change fields other than "
      "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
      "`spec.tolerations` (only additions to existing tolerations),"
      "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n";
  static const ValidationCase cases[] = {
    { CONTAINER "image='j'", "" },
    { "/spec/activeDeadlineSeconds=5", "" },
    { "/spec/tolerations=[{'key':'a','operator':'Exists'}]", "" },
    { "/metadata/labels={'a':'b'}", "" },
    { CONTAINER "env=[{'name':'A','value':'b'}]", elsewhere },
    { "/spec/nodeName='n'", elsewhere },
    { "/spec/containers/1={'name':'d','image':'i'}",
      "spec.containers: Forbidden: pod updates may not add or remove containers" },
    { "/spec/schedulingGates=[{'name':'g'}]",
      "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'g'" },
    { "/metadata/name='q'", "metadata.name: Invalid value: \"q\": field is immutable" },
  };
  case_updates(POD, cases, G_N_ELEMENTS(cases));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/validation/pod/environment", test_environment);
  g_test_add_func("/validation/pod/probes", test_probes);
  g_test_add_func("/validation/pod/containers", test_containers);
  g_test_add_func("/validation/pod/mounts", test_mounts);
  g_test_add_func("/validation/pod/volumes", test_volumes);
  g_test_add_func("/validation/pod/resources", test_resources);
  g_test_add_func("/validation/pod/security", test_security);
  g_test_add_func("/validation/pod/windows", test_windows);
  g_test_add_func("/validation/pod/resize-policy", test_resize_policy);
  g_test_add_func("/validation/pod/annotations", test_annotations);
  g_test_add_func("/validation/pod/annotations-elsewhere", test_annotations_elsewhere);
  g_test_add_func("/validation/pod/placement", test_placement);
  g_test_add_func("/validation/pod/update", test_update);
  return g_test_run();
}
