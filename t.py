import os,time
from kubernetes import client, config
from kubernetes.stream import stream
config.load_kube_config(os.environ["KUBECONFIG"])
core = client.CoreV1Api()
for cmd in (["sh","-c","read a; echo $a; echo e >&2; exit 3"],):
    o=stream(core.connect_get_namespaced_pod_exec,"p","default",command=cmd,_preload_content=False,stdin=True,stdout=True,stderr=True,tty=False)
    o.write_stdin("typed\n")
    t=time.time()
    import websocket
    while o.is_open() and time.time()-t<5:
        o.update(timeout=1); print(time.time()-t, o._channels, o.is_open(), o.sock.connected)
    print(o._channels)
