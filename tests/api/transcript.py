"""The commands of recorded sessions of kubectl 1.20 and 1.32 with a real server, run again: the client must end as it did, say
what it said, and send the very requests it sent then, with the same status for each. kubectl asks according to what it was
answered before, so a request that differs tells of an answer that did.

    transcript.py KUBECTL VERSION RECORDING
"""
import os
import re
import subprocess
import sys
import tempfile

from apitest import Api, done, ok, skip

KUBECTL, VERSION, RECORDING = sys.argv[1:4]
NEW = VERSION == "1.32"
NS = "s" + VERSION.replace(".", "")
SECONDS = 60


def deployment(image):
    return f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, labels: {{app: web}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: c, image: "{image}"}}]}}
"""


def config_map(name, data):
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n{data}\n"


DAEMON_SET = """apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ds1}
spec:
  selector: {matchLabels: {app: ds1}}
  template:
    metadata: {labels: {app: ds1}}
    spec: {containers: [{name: c, image: nginx}]}
"""
CRD = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.ex.com}
spec:
  group: ex.com
  scope: Namespaced
  names: {plural: foos, singular: foo, kind: Foo, shortNames: [fo]}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""

# name of the recording's part, arguments, standard input, how it ends, a pattern its output has
COMMANDS = [
    ("get-pods", "get pods", None, 0, "No resources found in"),
    ("get-all", "get all", None, 0, "No resources found in"),
    ("run", "run p1 --image=nginx:1 --port=80", None, 0, "^pod/p1 created$"),
    ("run-expose", "run p2 --image=nginx:1 --port=80 --expose", None, 0, "^service/p2 created\npod/p2 created$"),
    ("get-pod", "get pod p1", None, 0, r"^NAME +READY +STATUS +RESTARTS +AGE\np1 +\d/1 +\w+ +0 +\S+$"),
    ("get-yaml", "get pod p1 -o yaml", None, 0, r"^apiVersion: v1\nkind: Pod\nmetadata:\n"),
    ("get-pods-wide", "get pods -o wide", None, 0,
     r"^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES\np1 "),
    ("get-pods-json", "get pods -o json", None, 0, '"kind": "List"'),
    ("get-cc", "get pods -o custom-columns=N:.metadata.name", None, 0, "^N\np1\np2$"),
    ("get-jsonpath", "get pods -o jsonpath={.items[*].metadata.name}", None, 0, "^p1 p2$"),
    ("get-sort", "get pods --sort-by=.metadata.name", None, 0, r"^NAME +.*\np1 .*\np2 "),
    ("get-name", "get pods -o name", None, 0, "^pod/p1\npod/p2$"),
    ("get-l-fs", "get pods -A -l run=p1 --field-selector=status.phase=Running", None, 0, r"^NAMESPACE +NAME|^No resources found$"),
    ("get-multi", "get pods,services", None, 0, r"pod/p1 .*\n(.*\n)*service/p2 "),
    ("get-raw", "get --raw /healthz", None, 0, "^ok$"),
    ("get-notfound", "get pod nope", None, 1, r'^Error from server \(NotFound\): pods "nope" not found$'),
    ("apply-create", "apply -f -", deployment("nginx:1"), 0, "^deployment.apps/web created$"),
    ("apply-same", "apply -f -", deployment("nginx:1"), 0, "^deployment.apps/web unchanged$"),
    ("apply-change", "apply -f -", deployment("nginx:2"), 0, "^deployment.apps/web configured$"),
    ("apply-cm-create", "apply -f -", config_map("cm1", 'data: {a: "1"}'), 0, "^configmap/cm1 created$"),
    ("apply-dry-server", "apply --dry-run=server -f -", config_map("cm1", 'data: {a: "2"}'), 0,
     r"^configmap/cm1 configured \(server dry run\)$"),
    ("apply-ssa", "apply --server-side -f -", config_map("cm1", 'data: {a: "1"}'), 0, "^configmap/cm1 serverside-applied$"),
    ("apply-ssa-force", "apply --server-side --force-conflicts --field-manager=me -f -", config_map("cm1", 'data: {a: "2"}'), 0,
     "^configmap/cm1 serverside-applied$"),
    ("create-f", "create -f -", DAEMON_SET, 0, "^daemonset.apps/ds1 created$"),
    ("create-bad", "create -f -", config_map("cmbad", 'dataz: {a: "1"}'), 1, 'unknown field "dataz"'),
    ("create-noval", "create --validate=false -f -", config_map("cmbad", 'dataz: {a: "1"}'), 0, "configmap/cmbad created$"),
    ("create-cm", "create configmap c2 --from-literal=a=b", None, 0, "^configmap/c2 created$"),
    ("create-dry-server", "create configmap c3 --from-literal=a=b --dry-run=server -o yaml", None, 0, "uid: "),
    ("create-deploy", "create deployment d2 --image=nginx", None, 0, "^deployment.apps/d2 created$"),
    ("create-job", "create job j1 --image=busybox", None, 0, "^job.batch/j1 created$"),
    ("create-cj", "create cronjob cj1 --image=busybox --schedule=@hourly", None, 0, "cronjob.batch/cj1 created$"),
    ("create-job-from", "create job j2 --from=cronjob/cj1", None, 0, "job.batch/j2 created$"),
    ("create-sa", "create serviceaccount s1", None, 0, "^serviceaccount/s1 created$"),
    ("create-token", "create token s1", None, 0, r"^ey[\w-]+\.[\w-]+\.[\w-]+$"),
    ("create-rb", "create rolebinding rb1 --clusterrole=view --serviceaccount={ns}:s1", None, 0,
     "^rolebinding.rbac.authorization.k8s.io/rb1 created$"),
    ("expose", "expose deployment web --port=80", None, 0, "^service/web exposed$"),
    ("describe-deploy", "describe deployment web", None, 0, r"^Name: +web\n(.*\n)*Replicas: +2 desired"),
    ("describe-svc", "describe service web", None, 0, r"^Name: +web\n(.*\n)*Selector: +app=web"),
    ("patch-strategic", 'patch deployment web -p {"spec":{"template":{"metadata":{"annotations":{"x":"y"}}}}}', None, 0,
     "^deployment.apps/web patched$"),
    ("patch-merge", 'patch deployment web --type=merge -p {"metadata":{"annotations":{"x":"y"}}}', None, 0, "patched$"),
    ("patch-json", 'patch deployment web --type=json -p [{"op":"add","path":"/metadata/annotations/z","value":"y"}]', None, 0,
     "patched$"),
    ("patch-sub", 'patch deployment web --subresource=status --type=merge -p {"status":{}}', None, 0, r"patched( \(no change\))?$"),
    ("scale", "scale deployment web --replicas=3", None, 0, "^deployment.apps/web scaled$"),
    ("scale-cur", "scale deployment web --current-replicas=3 --replicas=2", None, 0, "^deployment.apps/web scaled$"),
    ("autoscale", "autoscale deployment web --min=2 --max=4", None, 0, "^horizontalpodautoscaler.autoscaling/web autoscaled$"),
    ("rollout-status", "rollout status deployment web --timeout=30s", None, 0, "successfully rolled out$"),
    ("rollout-history", "rollout history deployment web", None, 0, r"REVISION +CHANGE-CAUSE\n1 "),
    ("rollout-history-rev", "rollout history deployment web --revision=1", None, 0, "Pod Template:\n"),
    ("set-image", "set image deployment/web c=nginx:3", None, 0, "^deployment.apps/web image updated$"),
    ("set-env", "set env deployment/web A=b", None, 0, "^deployment.apps/web env updated$"),
    ("set-resources", "set resources deployment/web --limits=cpu=1", None, 0, "resource requirements updated$"),
    ("rollout-undo", "rollout undo deployment web", None, 0, "rolled back$"),
    ("rollout-pause", "rollout pause deployment web", None, 0, "^deployment.apps/web paused$"),
    ("rollout-resume", "rollout resume deployment web", None, 0, "^deployment.apps/web resumed$"),
    ("rollout-restart", "rollout restart deployment web", None, 0, "^deployment.apps/web restarted$"),
    ("label", "label pod p1 a=b", None, 0, "^pod/p1 labeled$"),
    ("label-ow", "label pod p1 a=c --overwrite", None, 0, "^pod/p1 labeled$"),
    ("annotate", "annotate pod p1 a=b", None, 0, "^pod/p1 annotated$"),
    ("taint", "taint node n1 k=v:NoSchedule", None, 0, "^node/n1 tainted$"),
    ("untaint", "taint node n1 k-", None, 0, "^node/n1 untainted$"),
    ("cordon", "cordon n1", None, 0, "^node/n1 cordoned$"),
    ("uncordon", "uncordon n1", None, 0, "^node/n1 uncordoned$"),
    ("top-node", "top node", None, 1, "Metrics API not available"),
    ("explain", "explain pod.spec.containers", None, 0, r"KIND: +Pod\n(.*\n)*.*image"),
    ("explain-deploy", "explain deployment.spec", None, 0, r"KIND: +Deployment\n"),
    ("wait-cond", "wait --for=condition=Available deployment/web --timeout=30s", None, 0, "^deployment.apps/web condition met$"),
    ("wait-jsonpath", "wait --for=jsonpath={.status.phase}=Running pod/p1 --timeout=30s", None, 0, "^pod/p1 condition met$"),
    ("auth-can-i", "auth can-i create pods", None, 0, "^yes$"),
    ("auth-can-i-list", "auth can-i --list", None, 0, r"^Resources +Non-Resource URLs +Resource Names +Verbs\n"),
    ("auth-whoami", "auth whoami", None, 0, r"^ATTRIBUTE +VALUE\nUsername +"),
    ("as", "get pods --as=bob", None, 1, r'^Error from server \(Forbidden\): pods is forbidden: User "bob" cannot list resource'),
    ("diff", "diff -f -", config_map("cm1", 'data: {a: "3"}'), 1, r'\n-  a: "2"\n\+  a: "3"'),
    ("replace-raw", "replace --raw /api/v1/namespaces/{ns}/configmaps/c2 -f -",
     '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c2"}}', 0, '^{"kind":"ConfigMap"'),
    ("create-raw", "create --raw /api/v1/namespaces/{ns}/configmaps -f -",
     '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"craw"}}', 0, '^{"kind":"ConfigMap"'),
    ("get-events", "get events", None, 0, r"^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n|^No resources found"),
    ("delete-pod", "delete pod p1", None, 0, '^pod "p1" deleted'),
    ("delete-force", "delete pod p2 --force --grace-period=0", None, 0, '[Pp]od "p2" force deleted'),
    ("delete-cascade-orphan", "delete deployment d2 --cascade=orphan", None, 0, '^deployment.apps "d2" deleted'),
    ("delete-raw", "delete --raw /api/v1/namespaces/{ns}/serviceaccounts/s1", None, 0, '"kind":"ServiceAccount"'),
    ("apply-crd", "apply -f -", CRD, 0, "^customresourcedefinition.apiextensions.k8s.io/foos.ex.com created$"),
    ("delete-crd", "delete crd foos.ex.com", None, 0, '^customresourcedefinition.apiextensions.k8s.io "foos.ex.com" deleted'),
]

SKIPPED = {name: "needs containers" for name in (
    "run-rm-it logs logs-f logs-deploy logs-prev logs-l exec exec-i exec-it exec-rc exec-nows exec-spdy101 attach port-forward "
    "port-forward-nows port-forward-spdy101 cp-to cp-from debug-ephemeral debug-alpha debug-copy debug-node").split()}
# kubectl 1.20 knows nothing of batch/v1 CronJob, which is what a 1.32 shows it
ONLY_NEW = {"create-job-from", "patch-sub", "create-token", "wait-jsonpath", "auth-whoami"}

# Requests that differ because the recorded server was a 1.20 and this one is a 1.32: from → to, and why.
DIFFERENT = [
    # CronJobs and the like are asked for in the version the server prefers
    (r"/apis/batch/v1beta1/ns/\{ns\}/cronjobs", "/apis/batch/v1/ns/{ns}/cronjobs"),
    (r"/apis/autoscaling/v1/ns/\{ns\}/horizontalpodautoscalers\?limit", "/apis/autoscaling/v2/ns/{ns}/horizontalpodautoscalers?limit"),
]
# Parts whose requests are not compared: what was recorded depends on the state of that moment.
STATE = {
    "get-all": "cronjobs and jobs come in the order of one version",
    "auth-whoami": "the recorded server did not know it",
    "create-bad": "the recorded server did not know strict validation",
    "create-noval": "the object was there already",
    "scale-cur": "once more when a controller wrote in between",
    "create-cj": "the server has another version of CronJob",
    "create-job-from": "the server has another version of CronJob",
    "describe-deploy": "as many requests as there are events and ReplicaSets",
    "describe-svc": "Endpoints or EndpointSlices, as the server has them",
    "rollout-status": "until it is done",
    "wait-cond": "until it is so",
    "wait-jsonpath": "until it is so",
    "delete-pod": "until it is gone",
    "delete-force": "until it is gone",
    "delete-cascade-orphan": "until it is gone",
    "delete-crd": "until it is gone",
    "get-events": "events in the version the server prefers",
    "autoscale": "in the version the server prefers",
    "apply-crd": "the recorded server had no OpenAPI v3",
    "apply-ssa": "how far the old manager's fields are moved",
    "diff": "the object is shown to the last field",
    "as": "the recorded user was allowed to",
}


def normalized(method, path, status):
    path = re.sub(r"/namespaces/" + re.escape(NS) + r"\b", "/ns/{ns}", path)
    path = re.sub(r"hash=[0-9A-F]+", "hash=ABC123", path)
    path = re.sub(r"(resourceVersion|timeoutSeconds)=\d+", r"\1=N", path)
    path = re.sub(r"(timeout)=[\dhms.]+", r"\1=N", path)
    for old, new in DIFFERENT:
        path = re.sub(old, new, path)
    # what a client has in its cache it shows as 200
    return f"{method} {path} -> {'200' if status == '304' else status}"


def is_discovery(path):
    return re.match(r"^/(api|apis)(/[^/?]+){0,2}(\?timeout=[^&]*)?$", path) is not None and not path.startswith("/api/v1/")


def recorded():
    """name → the normalized requests of that command."""
    parts = {}
    with open(RECORDING, encoding="utf-8") as file:
        name = None
        for line in file:
            if line.startswith("## "):
                name = line[3:].strip()
                parts.setdefault(name, [])
                continue
            found = re.match(r"\s+(GET|POST|PUT|PATCH|DELETE) (\S+) .*?-> (?:HTTP/1.1 )?(\d+)", line)
            if found and not is_discovery(found[2]):
                parts[name].append(normalized(found[1], found[2].replace("/ns/{ns}", f"/namespaces/{NS}"), found[3]))
    return parts


def run(arguments, stdin, folder, verbosity):
    """Status, output and the normalized requests of one kubectl."""
    command = [KUBECTL, "--kubeconfig", os.environ["KUBECONFIG"], "--cache-dir", f"{folder}/cache", "-n", NS, verbosity]
    command += [word.replace("{ns}", NS) if word.startswith("/api") or ":" in word else word for word in arguments.split()]
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False)
    log = re.findall(r"\] (GET|POST|PUT|PATCH|DELETE) https://[^/]+(\S*) (\d+) ", result.stderr)
    spoken = [line for line in result.stderr.splitlines() if not re.match(r"^[IWEF]\d{4} ", line)]
    output = "\n".join([result.stdout.rstrip("\n")] + spoken).strip("\n")
    return result.returncode, output, [normalized(*entry) for entry in log if not is_discovery(entry[1])]


def main():
    api = Api()
    api.post("/api/v1/namespaces", {"metadata": {"name": NS}})
    parts = recorded()
    with tempfile.TemporaryDirectory() as folder:
        run("api-resources", None, folder, "-v=0")  # what is cached does not stand in the transcript
        for name, arguments, stdin, ends, pattern in COMMANDS:
            if name in ONLY_NEW and not NEW:
                continue
            status, output, requests = run(arguments, stdin, folder, "-v=6")
            if ends != 0:  # what fails ends in another way when it tells of its requests
                status, output, _ = run(arguments, stdin, folder, "-v=0")
            ok(status == ends and re.search(pattern, output, re.M), f"{VERSION} {name}: output", f"{status}: {output}")
            if name in STATE:
                skip(f"{VERSION} {name}: requests", STATE[name])
                continue
            ok(requests == parts[name], f"{VERSION} {name}: requests",
               "got:\n" + "\n".join(requests) + "\nrecorded:\n" + "\n".join(parts[name]))
    for name in parts:
        if name in SKIPPED:
            skip(f"{VERSION} {name}", SKIPPED[name])
    done()


main()
