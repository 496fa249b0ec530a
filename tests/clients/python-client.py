"""The Python client: typed calls, the dynamic client, watches, leader election's lease, errors."""
import os

from apitest import done, ok, same
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException

config.load_kube_config(os.environ["KUBECONFIG"])
core, apps, batch = client.CoreV1Api(), client.AppsV1Api(), client.BatchV1Api()
NS = "python"


def crud():
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NS)))
    made = core.create_namespaced_config_map(NS, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="a"), data={"k": "v"}))
    same((made.metadata.name, made.data, made.metadata.creation_timestamp.tzinfo is not None), ("a", {"k": "v"}, True), "create")
    made.data["l"] = "w"
    same(core.replace_namespaced_config_map("a", NS, made).data, {"k": "v", "l": "w"}, "replace")
    same(core.patch_namespaced_config_map("a", NS, {"data": {"k": None}}).data, {"l": "w"}, "patch")
    same([item.metadata.name for item in core.list_namespaced_config_map(NS, field_selector="metadata.name=a").items], ["a"], "list")
    page = core.list_namespaced_config_map(NS, limit=1)
    ok(page.metadata.resource_version, "a page")
    try:
        core.replace_namespaced_config_map("a", NS, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="a", resource_version="1")))
        ok(False, "a conflict")
    except ApiException as error:
        same((error.status, error.reason), (409, "Conflict"), "a conflict")
    same(core.delete_namespaced_config_map("a", NS).status, "Success", "delete")
    try:
        core.read_namespaced_config_map("a", NS)
        ok(False, "gone")
    except ApiException as error:
        same(error.status, 404, "gone")
    secret = core.create_namespaced_secret(NS, client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"p": "q"}))
    same(secret.data, {"p": "cQ=="}, "a secret's text")
    for kind in ("api", "apis"):
        ok(client.CoreApi().get_api_versions() if kind == "api" else client.ApisApi().get_api_versions(), kind)
    same(client.VersionApi().get_code().minor, "32", "version")


def workloads():
    deployment = client.V1Deployment(
        metadata=client.V1ObjectMeta(name="d"), spec=client.V1DeploymentSpec(
            replicas=2, selector=client.V1LabelSelector(match_labels={"a": "b"}), template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels={"a": "b"}),
                spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="i")]))))
    apps.create_namespaced_deployment(NS, deployment)
    stream = watch.Watch()
    for event in stream.stream(apps.list_namespaced_deployment, NS, timeout_seconds=30):
        if event["object"].status.ready_replicas == 2:
            stream.stop()
            break
    same(apps.read_namespaced_deployment("d", NS).status.ready_replicas, 2, "a deployment runs")
    scale = apps.read_namespaced_deployment_scale("d", NS)
    same((scale.spec.replicas, scale.status.selector), (2, "a=b"), "its scale")
    same(apps.patch_namespaced_deployment_scale("d", NS, {"spec": {"replicas": 1}}).spec.replicas, 1, "is patched")
    pods = core.list_namespaced_pod(NS, label_selector="a=b").items
    ok(pods and pods[0].spec.node_name == "fake" and pods[0].status.container_statuses[0].state.running, "its pods")
    job = client.V1Job(metadata=client.V1ObjectMeta(name="j"), spec=client.V1JobSpec(template=client.V1PodTemplateSpec(
        spec=client.V1PodSpec(restart_policy="Never", containers=[client.V1Container(name="c", image="i")]))))
    batch.create_namespaced_job(NS, job)
    for event in stream.stream(batch.list_namespaced_job, NS, timeout_seconds=30):
        if event["object"].status.succeeded:
            break
    same(batch.read_namespaced_job("j", NS).status.succeeded, 1, "a job ends")
    gone = apps.delete_namespaced_deployment("d", NS, propagation_policy="Foreground", grace_period_seconds=0)
    ok(gone is not None, "a deployment goes")


def dynamic_client():
    api = dynamic.DynamicClient(client.ApiClient())
    maps = api.resources.get(api_version="v1", kind="ConfigMap")
    maps.create(namespace=NS, body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}, "data": {"k": "v"}})
    same(maps.get(name="d", namespace=NS).data.k, "v", "dynamic: get")
    for content_type in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
        patched = maps.patch(name="d", namespace=NS, content_type=content_type, body={"data": {"l": content_type[:5]}})
        same(patched.data.l, content_type[:5], f"dynamic: {content_type}")
    same([item.metadata.name for item in maps.get(namespace=NS, field_selector="metadata.name=d").items], ["d"], "dynamic: list")
    for event in maps.watch(namespace=NS, timeout=1):
        ok(event["type"] == "ADDED", "dynamic: watch")
        break
    same(maps.delete(name="d", namespace=NS).status, "Success", "dynamic: delete")


def watches():
    version = core.list_namespaced_config_map(NS).metadata.resource_version
    core.create_namespaced_config_map(NS, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="w")))
    core.delete_namespaced_config_map("w", NS)
    events = [event["type"] for event in watch.Watch().stream(core.list_namespaced_config_map, NS, resource_version=version,
                                                              timeout_seconds=1) if event["object"].metadata.name == "w"]
    same(events, ["ADDED", "DELETED"], "a watch")


def from_yaml():
    utils.create_from_dict(client.ApiClient(), {"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"y{i}", "namespace": NS}} for i in range(2)]})
    same(len([item for item in core.list_namespaced_config_map(NS).items if item.metadata.name.startswith("y")]), 2, "from YAML")


crud()
workloads()
dynamic_client()
watches()
from_yaml()
done()
