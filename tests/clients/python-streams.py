"""The Python client's streams."""
import os

from apitest import done, same
from kubernetes import client, config
from kubernetes.stream import stream

config.load_kube_config(os.environ["KUBECONFIG"])
core = client.CoreV1Api()
STREAMS = {"stdin": False, "stdout": True, "stderr": True, "tty": False}

same(stream(core.connect_get_namespaced_pod_exec, "p", "default", command=["echo", "hello"], **STREAMS), "hello\n", "exec")

open_ = stream(core.connect_get_namespaced_pod_exec, "p", "default", command=["sh", "-c", "read a; echo $a; echo e >&2; exit 3"],
               _preload_content=False, **dict(STREAMS, stdin=True))
open_.write_stdin("typed\n")
open_.run_forever(timeout=10)
same((open_.read_stdout(), open_.read_stderr(), open_.returncode), ("typed\n", "e\n", 3), "input, both outputs, exit status")

same(core.read_namespaced_pod_log("p", "default"), "the log of p/c\n", "logs")
done()
