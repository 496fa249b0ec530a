/* Jobs and cron jobs. */
#include "validation_case.h"

#define BASE_JOB                                                                                                       \
  "{'kind':'Job','apiVersion':'batch/"                                                                                 \
  "v1','metadata':{'name':'j','namespace':'n','uid':'u'},'spec':{'template':{'spec':{'restartPolicy':'Never','"        \
  "containers':[{'name':'c','image':'i'}]}}}}"

static void test_job(void)
{
  static const ValidationCase cases[] = {
    { "/spec/parallelism=-1", "spec.parallelism: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/completions=-1", "spec.completions: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/backoffLimit=-1", "spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/backoffLimitPerIndex=-1; /spec/completionMode='Indexed'; /spec/completions=1",
      "spec.backoffLimitPerIndex: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/template/spec/restartPolicy=null",
      "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"" },
    { "/spec/template/spec/restartPolicy='OnFailure'", "" },
    { "/spec/completionMode='Odd'",
      "spec.completionMode: Unsupported value: \"Odd\": supported values: \"NonIndexed\", \"Indexed\"" },
    { "/spec/completionMode='Indexed'; /spec/parallelism=2",
      "spec.completions: Required value: when completion mode is Indexed" },
    { "/spec/completionMode='Indexed'; /spec/completions=200000; /spec/parallelism=20000; /spec/backoffLimitPerIndex=1",
      "[spec.maxFailedIndexes: Required value: must be specified when completions is above 100000, spec.parallelism: "
      "Invalid value: 20000: must be less than or equal to 10000 when completions are above 100000 and used with "
      "backoff limit per index]" },
    { "/spec/completionMode='Indexed'; /spec/completions=2; /spec/backoffLimitPerIndex=1; /spec/maxFailedIndexes=3",
      "spec.maxFailedIndexes: Invalid value: 3: must be less than or equal to completions" },
    { "/spec/backoffLimitPerIndex=1", "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode" },
    { "/spec/maxFailedIndexes=1", "[spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified, "
                                  "spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode]" },
    { "/spec/managedBy='me'",
      "spec.managedBy: Invalid value: \"me\": must be a domain-prefixed path (such as \"acme.io/foo\")" },
    { "/spec/podReplacementPolicy='Never'", "spec.podReplacementPolicy: Unsupported value: \"Never\": supported "
                                            "values: \"Failed\", \"TerminatingOrFailed\"" },
    { "/spec/podFailurePolicy={'rules':[]}; /spec/template/spec/restartPolicy='OnFailure'",
      "spec.template.spec.restartPolicy: Invalid value: \"OnFailure\": only \"Never\" is supported when "
      "podFailurePolicy is specified" },
    { "/spec/podFailurePolicy={'rules':[]}; /spec/podReplacementPolicy='TerminatingOrFailed'",
      "spec.podReplacementPolicy: Unsupported value: \"TerminatingOrFailed\": supported values: \"Failed\"" },
    { "/spec/podFailurePolicy={'rules':[{'action':'Wait'}]}",
      "[spec.podFailurePolicy.rules[0].action: Unsupported value: \"Wait\": supported values: \"Count\", "
      "\"FailIndex\", \"FailJob\", \"Ignore\", spec.podFailurePolicy.rules[0]: Invalid value: specifying one of "
      "OnExitCodes and OnPodConditions is required]" },
    { "/spec/"
      "podFailurePolicy={'rules':[{'action':'FailIndex','onExitCodes':{'containerName':'d','operator':'In','values':[3,"
      "0,3]}}]}",
      "[spec.podFailurePolicy.rules[0].action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be "
      "set, spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: \"d\": must be one of the "
      "container or initContainer names in the pod template, spec.podFailurePolicy.rules[0].onExitCodes.values[1]: "
      "Invalid value: 0: must not be 0 for the In operator, spec.podFailurePolicy.rules[0].onExitCodes.values[2]: "
      "Duplicate value: 3, spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,0,3]: must be "
      "ordered]" },
    { "/spec/"
      "podFailurePolicy={'rules':[{'action':'','onExitCodes':{'operator':'Is','values':[]},'onPodConditions':[{'type':'"
      "a b','status':'Maybe'}]}]}",
      "[spec.podFailurePolicy.rules[0].action: Required value: valid values: [\"Count\" \"FailIndex\" \"FailJob\" "
      "\"Ignore\"], spec.podFailurePolicy.rules[0].onExitCodes.operator: Unsupported value: \"Is\": supported values: "
      "\"In\", \"NotIn\", spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: []: at least one value is "
      "required, spec.podFailurePolicy.rules[0].onPodConditions[0].type: Invalid value: \"a b\": name part must "
      "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
      "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
      "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), spec.podFailurePolicy.rules[0].onPodConditions[0].status: "
      "Unsupported value: \"Maybe\": supported values: \"False\", \"True\", \"Unknown\", "
      "spec.podFailurePolicy.rules[0]: Invalid value: specifying both OnExitCodes and OnPodConditions is not "
      "supported]" },
    { "/spec/podFailurePolicy={'rules':[{'action':'Ignore','onPodConditions':[{'type':'DisruptionTarget'}]}]}", "" },
    { "/spec/successPolicy={'rules':[]}",
      "spec.successPolicy: Invalid value: {\"rules\":[]}: requires indexed completion mode" },
    { "/spec/completionMode='Indexed'; /spec/completions=5; /spec/successPolicy={'rules':[]}",
      "spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is "
      "specified" },
    { "/spec/completionMode='Indexed'; /spec/completions=5; "
      "/spec/"
      "successPolicy={'rules':[{},{'succeededIndexes':'0-1,9'},{'succeededIndexes':'2,1'},{'succeededIndexes':'x'},{'"
      "succeededIndexes':'0-2','succeededCount':4},{'succeededCount':6}]}",
      "[spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be "
      "specified, spec.successPolicy.rules[1].succeededIndexes: Invalid value: \"0-1,9\": error parsing "
      "succeededIndexes: too large index: \"9\", spec.successPolicy.rules[2].succeededIndexes: Invalid value: \"2,1\": "
      "error parsing succeededIndexes: non-increasing order, previous: 2, current: 1, "
      "spec.successPolicy.rules[3].succeededIndexes: Invalid value: \"x\": error parsing succeededIndexes: cannot "
      "convert string to integer for index: \"x\", spec.successPolicy.rules[4].succeededCount: Invalid value: 4: must "
      "be less than or equal to 3 (the number of indexes in the specified succeededIndexes field), "
      "spec.successPolicy.rules[5].succeededCount: Invalid value: 6: must be less than or equal to 5 (the number of "
      "specified completions)]" },
    { "/spec/manualSelector=true", "[spec.selector: Required value, spec.template.metadata.labels: Invalid value: "
                                   "map[string]string{}: `selector` does not match template `labels`]" },
    { "/spec/manualSelector=true; /spec/selector={'matchLabels':{'a':'b'}}; /spec/template/metadata/labels={'a':'b'}",
      "" },
    { "/spec/template/metadata/labels={'controller-uid':'old'}",
      "spec.template.metadata.labels[controller-uid]: Invalid value: "
      "map[string]string{\"batch.kubernetes.io/controller-uid\":\"u\", \"batch.kubernetes.io/job-name\":\"j\", "
      "\"controller-uid\":\"old\", \"job-name\":\"j\"}: must be 'u'" },
    { "/spec/selector={'matchLabels':{'batch.kubernetes.io/controller-uid':'old'}}",
      "[spec.selector: Invalid value: "
      "v1.LabelSelector{MatchLabels:map[string]string{\"batch.kubernetes.io/controller-uid\":\"old\"}, "
      "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: `selector` not auto-generated, "
      "spec.template.metadata.labels: Invalid value: map[string]string{\"batch.kubernetes.io/controller-uid\":\"u\", "
      "\"batch.kubernetes.io/job-name\":\"j\", \"controller-uid\":\"u\", \"job-name\":\"j\"}: `selector` does not "
      "match template `labels`]" },
    { "/metadata/name='this-is-a-name-of-more-than-sixty-characters-with-index-at-its-end'; "
      "/spec/completionMode='Indexed'; /spec/completions=2",
      "[spec.template.labels: Invalid value: \"this-is-a-name-of-more-than-sixty-characters-with-index-at-its-end\": "
      "must be no more than 63 bytes, metadata.name: Invalid value: "
      "\"this-is-a-name-of-more-than-sixty-characters-with-index-at-its-end\": will not able to create pod with "
      "invalid DNS label: this-is-a-name-of-more-than-sixty-characters-with-index-at-its-end-1]" },
  };
  case_creates(BASE_JOB, cases, G_N_ELEMENTS(cases));
}

static void test_job_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/parallelism=3", "" },
    { "/spec/completions=3", "spec.completions: Invalid value: 3: field is immutable" },
    { "/spec/template/spec/containers/0/image='j'",
      "spec.template: Invalid value: "
      "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"j\",\"resources\":{},\"terminationMessagePath\":\"/dev/"
      "termination-log\",\"terminationMessagePolicy\":\"File\",\"imagePullPolicy\":\"Always\"}],\"restartPolicy\":"
      "\"Never\",\"terminationGracePeriodSeconds\":30,\"dnsPolicy\":\"ClusterFirst\",\"securityContext\":{},"
      "\"schedulerName\":\"default-scheduler\"},\"metadata\":{\"creationTimestamp\":null,\"labels\":{\"job-name\":"
      "\"j\",\"batch.kubernetes.io/job-name\":\"j\",\"controller-uid\":\"u\",\"batch.kubernetes.io/"
      "controller-uid\":\"u\"}}}: field is immutable" },
    { "/spec/selector/matchLabels={}",
      "spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string(nil), "
      "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable" },
    { "/spec/completionMode='Indexed'", "spec.completionMode: Invalid value: \"Indexed\": field is immutable" },
    { "/spec/managedBy='a.b/c'", "spec.managedBy: Invalid value: \"a.b/c\": field is immutable" },
    { "/spec/suspend=true", "" },
  };
  case_updates(BASE_JOB, cases, G_N_ELEMENTS(cases));
}

#define BASE_SUSPENDED_JOB                                                                                             \
  "{'kind':'Job','apiVersion':'batch/"                                                                                 \
  "v1','metadata':{'name':'j','namespace':'n','uid':'u'},'spec':{'suspend':true,'completionMode':'Indexed','"          \
  "completions':2,'template':{'metadata':{},'spec':{'restartPolicy':'Never','containers':[{'name':'c','image':'i'}]}}" \
  "}}"

static void test_suspended_job_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/template/spec/nodeSelector={'a':'b'}", "" },
    { "/spec/template/spec/tolerations=[{'operator':'Exists'}]", "" },
    { "/spec/template/spec/affinity={'nodeAffinity':{}}", "" },
    { "/spec/template/spec/affinity={'podAffinity':{}}",
      "spec.template: Invalid value: "
      "{\"metadata\":{\"creationTimestamp\":null,\"labels\":{\"job-name\":\"j\",\"batch.kubernetes.io/"
      "job-name\":\"j\",\"controller-uid\":\"u\",\"batch.kubernetes.io/"
      "controller-uid\":\"u\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{},"
      "\"terminationMessagePath\":\"/dev/"
      "termination-log\",\"terminationMessagePolicy\":\"File\",\"imagePullPolicy\":\"Always\"}],\"restartPolicy\":"
      "\"Never\",\"terminationGracePeriodSeconds\":30,\"dnsPolicy\":\"ClusterFirst\",\"securityContext\":{},"
      "\"schedulerName\":\"default-scheduler\",\"affinity\":{\"podAffinity\":{}}}}: field is immutable" },
    { "/spec/template/spec/containers/0/image='j'",
      "spec.template: Invalid value: "
      "{\"metadata\":{\"creationTimestamp\":null,\"labels\":{\"job-name\":\"j\",\"batch.kubernetes.io/"
      "job-name\":\"j\",\"controller-uid\":\"u\",\"batch.kubernetes.io/"
      "controller-uid\":\"u\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"j\",\"resources\":{},"
      "\"terminationMessagePath\":\"/dev/"
      "termination-log\",\"terminationMessagePolicy\":\"File\",\"imagePullPolicy\":\"Always\"}],\"restartPolicy\":"
      "\"Never\",\"terminationGracePeriodSeconds\":30,\"dnsPolicy\":\"ClusterFirst\",\"securityContext\":{},"
      "\"schedulerName\":\"default-scheduler\"}}: field is immutable" },
    { "/spec/completions=4",
      "spec.completions: Invalid value: 4: can only be modified in tandem with spec.parallelism" },
    { "/spec/completions=4; /spec/parallelism=4", "" },
  };
  case_updates(BASE_SUSPENDED_JOB, cases, G_N_ELEMENTS(cases));
}

#define BASE_CRON_JOB                                                                                                  \
  "{'kind':'CronJob','apiVersion':'batch/v1','metadata':{'name':'c','namespace':'n'},'spec':{'schedule':'* * * * "     \
  "*','jobTemplate':{'spec':{'template':{'spec':{'restartPolicy':'Never','containers':[{'name':'c','image':'i'}]}}}}}" \
  "}"

static void test_cron_job(void)
{
  static const ValidationCase cases[] = {
    { "/spec/schedule=''", "spec.schedule: Required value" },
    { "/spec/schedule='hourly'",
      "spec.schedule: Invalid value: \"hourly\": expected exactly 5 fields, found 1: [hourly]" },
    { "/spec/schedule='61 * * * *'",
      "spec.schedule: Invalid value: \"61 * * * *\": end of range (61) above maximum (59): 61" },
    { "/spec/schedule='TZ=UTC * * * * *'", "spec.schedule: Invalid value: \"TZ=UTC * * * * *\": cannot use TZ or "
                                           "CRON_TZ in schedule, use timeZone field instead" },
    { "/spec/timeZone=''", "spec.timeZone: Invalid value: \"\": timeZone must be nil or non-empty string" },
    { "/spec/timeZone='Local'", "spec.timeZone: Invalid value: \"Local\": timeZone must be an explicit time zone as "
                                "defined in https://www.iana.org/time-zones" },
    { "/spec/timeZone='Mars/Base 1'", "spec.timeZone: Invalid value: \"Mars/Base 1\": unknown time zone Mars/Base 1" },
    { "/spec/timeZone='Europe/Zurich'", "" },
    { "/spec/concurrencyPolicy='Queue'",
      "spec.concurrencyPolicy: Unsupported value: \"Queue\": supported values: \"Allow\", \"Forbid\", \"Replace\"" },
    { "/spec/startingDeadlineSeconds=-1",
      "spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/successfulJobsHistoryLimit=-1",
      "spec.successfulJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0" },
    { "/spec/jobTemplate/spec/template/spec/restartPolicy='Always'",
      "spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"" },
    { "/spec/jobTemplate/spec/selector={'matchLabels':{'a':'b'}}",
      "spec.jobTemplate.spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{\"a\":\"b\"}, "
      "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: `selector` will be auto-generated" },
    { "/spec/jobTemplate/spec/manualSelector=true",
      "spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: \"nil\", \"false\"" },
    { "/spec/jobTemplate/spec/template/metadata/labels={'a':'!'}",
      "spec.jobTemplate.spec.template.labels: Invalid value: \"!\": a valid label must be an empty string or consist "
      "of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
      "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
      "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')" },
    { "/spec/jobTemplate/spec/backoffLimitPerIndex=1",
      "spec.jobTemplate.spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode" },
    { "/metadata/name='a-name-that-is-longer-than-the-fifty-two-characters-allowed'",
      "metadata.name: Invalid value: \"a-name-that-is-longer-than-the-fifty-two-characters-allowed\": must be no more "
      "than 52 characters" },
  };
  case_creates(BASE_CRON_JOB, cases, G_N_ELEMENTS(cases));
}

static void test_cron_job_update(void)
{
  static const ValidationCase cases[] = {
    { "/spec/schedule='@daily'", "" },
    { "/spec/jobTemplate/spec/template/spec/containers/0/image='j'", "" },
  };
  case_updates(BASE_CRON_JOB, cases, G_N_ELEMENTS(cases));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/validation/batch/job", test_job);
  g_test_add_func("/validation/batch/job/update", test_job_update);
  g_test_add_func("/validation/batch/suspended-job/update", test_suspended_job_update);
  g_test_add_func("/validation/batch/cron-job", test_cron_job);
  g_test_add_func("/validation/batch/cron-job/update", test_cron_job_update);
  return g_test_run();
}
