"""The Python client's streams."""
import os

from apitest import done, same
from kubernetes import client, config
from kubernetes.stream import portforward, stream

config.load_kube_config(os.environ["KUBECONFIG"])
core = client.CoreV1Api()
STREAMS = {"stdin": False, "stdout": True, "stderr": True, "tty": False}

same(stream(core.connect_get_namespaced_pod_exec, "p", "default", command=["echo", "hello"], **STREAMS), "hello\n", "exec")

open_ = stream(core.connect_get_namespaced_pod_exec, "p", "default", command=["sh", "-c", "read a; echo $a; echo e >&2; exit 3"],
               _preload_content=False, **dict(STREAMS, stdin=True))
open_.write_stdin("typed\n")
open_.run_forever(timeout=10)
same((open_.read_stdout(), open_.read_stderr(), open_.returncode), ("typed\n", "e\n", 3), "input, both outputs, exit status")

forward = portforward(core.connect_get_namespaced_pod_portforward, "p", "default", ports="80,81")
for port in (80, 81):
    socket = forward.socket(port)
    socket.setblocking(True)
    socket.sendall(b"through the tunnel")
    same(socket.recv(100), b"through the tunnel", f"port-forward to {port}")
    socket.close()
same(forward.error(80), None, "without an error")
same(core.read_namespaced_pod_log("p", "default"), "the log of p/c\n", "logs")
done()
