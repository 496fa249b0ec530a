#!/bin/bash
# Folders of an NFS server, mounted by the kernel of a real machine. The server is nfs-ganesha, in user space and on the
# host's loopback only, which the machine sees as the gateway of its network; volumes of pods can name no port, so it has
# that of NFS. DRIVER chooses the driver.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
GATEWAY=10.0.2.2
PORT=2049
PROFILE=nfs
LIBRARIES=
PID_FILE=$WORK/ganesha.pid

# The server's packages are only unpacked: installed, they would bring a daemon for the whole network.
unpack_server() {
  local package folder
  for package in nfs-ganesha-vfs libntirpc4.3 liburcu8 libnfsidmap1 libwbclient0; do
    folder=$("$SOURCE/tests/unpacked" "$package" usr/lib) || return
    LIBRARIES+=:$(echo "$folder"/*-linux-gnu)
    [ "$package" != nfs-ganesha-vfs ] || MODULES=$(echo "$folder"/*-linux-gnu/ganesha)
  done
  SERVER=$("$SOURCE/tests/unpacked" nfs-ganesha usr/bin/ganesha.nfsd) || return
  LIBRARIES=$(dirname "$SERVER")/../lib/ganesha$LIBRARIES
  ! LD_LIBRARY_PATH=$LIBRARIES ldd "$SERVER" | grep 'not found'
}

listens() {
  (: <"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null
}

# Version 4 alone, which needs no rpcbind; it looks for who was there before by its own files.
write_configuration() {
  mkdir "$WORK/share" "$WORK/recovery"
  cat >"$WORK/ganesha.conf" <<END
NFS_Core_Param {
  Protocols = 4; NFS_Port = $PORT; Bind_addr = 127.0.0.1; Plugins_Dir = $MODULES;
  Enable_NLM = false; Enable_RQUOTA = false;
}
NFSv4 {
  Graceless = true; RecoveryRoot = $WORK/recovery; RecoveryBackend = fs; UseGetpwnam = true; Only_Numeric_Owners = true;
}
EXPORT {
  Export_Id = 1; Path = $WORK/share; Pseudo = /; Protocols = 4; Transports = TCP; SecType = sys;
  Access_Type = RW; Squash = No_Root_Squash;
  FSAL { Name = VFS; }
}
END
}

# Both may run in a subshell, so the file tells of the server.
start_server() {
  LD_LIBRARY_PATH=$LIBRARIES "$SERVER" -F -f "$WORK/ganesha.conf" -L "$WORK/ganesha.log" -p "$WORK/ganesha.lock" \
    >"$WORK/ganesha.out" 2>&1 &
  echo $! >"$PID_FILE"
  eventually 20 listens
}

is_gone() {
  ! kill -0 "$1" 2>/dev/null
}

stop_server() {
  local pid
  [ -s "$PID_FILE" ] || return
  pid=$(cat "$PID_FILE")
  rm "$PID_FILE"
  kill "$pid" && eventually 20 is_gone "$pid"
}

finish_nfs() {
  [ ! -s "$PID_FILE" ] || stop_server
  finish
}

mounts() {
  "$LAUNCHER" ssh -p "$PROFILE" -- cat /proc/mounts
}

# are_mounted COUNT: so many folders of the server; /var is a part of the disk, so each is seen at /data/var too.
are_mounted() {
  local table
  table=$(mounts) || return
  table=$(grep ' /var/.* nfs4 ' <<<"$table")
  echo "$table"
  [ "$(grep -c . <<<"$table")" -eq "$1" ]
}

# pod NAME VOLUME: one that has this volume at /data, and the line it wrote when it began.
pod() {
  "$KUBECTL" apply -f - <<END
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: $1
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'echo "written by $1" >/data/$1; exec sleep 100000']
    volumeMounts: [{name: share, mountPath: /data}]
  volumes: [{name: share, $2}]
END
}

[ "$DRIVER" = libvirt ] || skip_all "containers have the host's kernel, and no way to its loopback"
[ "$(id -u)" -eq 0 ] || skip_all "only root may open files by their handles, as the server does"
KUBECTL=$(kubectl_path 1.32) || skip_all "no kubectl 1.32 to be had"
unpack_server >&2 || skip_all "no nfs-ganesha to be had"
listens && skip_all "port $PORT is taken"
trap finish_nfs EXIT
write_configuration

ok "start" "${START[@]}" -p "$PROFILE" --cpus 2 --memory 2048 --disk-size 20000

# --- the server is away, then it comes
ok "a pod with a folder of a server that is away" pod writer "nfs: {server: $GATEWAY, path: /}"
ok "it is told why it does not start" eventually 60 prints \
  'FailedMount.*MountVolume.SetUp failed for volume "share" : mount failed: exit status 32' "$KUBECTL" describe pod writer
like "what was tried" "Mounting arguments: -t nfs .*$GATEWAY:/ .*/nfs/share" "$KUBECTL" describe pod writer
like "and what mount.nfs said" 'Output: mount.nfs: Connection refused' "$KUBECTL" describe pod writer
ok "the server comes" start_server
ok "the pod runs" eventually 120 phase_is writer Running
like "the kernel has mounted the folder" "^$GATEWAY:/ /var/.*/nfs/share nfs4 rw,.*vers=4\.[12]," mounts
ok "the server has what it wrote" eventually 20 grep -qx "written by writer" "$WORK/share/writer"

# --- others of the same folder
ok "a volume of the server, and a claim" bash -c "sed 's/server: .*, path/server: $GATEWAY, path/' \
  '$SOURCE/tests/course/manifests/05-nfs.yaml' | '$KUBECTL' apply -f -"
ok "a pod with the claim" pod reader "persistentVolumeClaim: {claimName: nfs}"
ok "and one that may only read" pod quiet "nfs: {server: $GATEWAY, path: /, readOnly: true}"
ok "run" "$KUBECTL" wait pod/reader pod/quiet --for=condition=Ready --timeout=60s
is "one reads what the other wrote" "written by writer" "$KUBECTL" exec reader -- cat /data/writer
like "with the volume's options" 'vers=4\.2' "$KUBECTL" exec reader -- grep ' /data nfs4 ' /proc/mounts
is "who may only read reads" "written by reader" "$KUBECTL" exec quiet -- cat /data/reader
exits "and does not write" 1 'Read-only file system' "$KUBECTL" exec quiet -- touch /data/quiet

# --- the server goes while pods have it
ok "the server ends" stop_server
exits "nothing answers any more" 1 '' listens
ok "and comes back" start_server
ok "a pod writes on" timeout 60 "$KUBECTL" exec reader -- sh -c 'echo again >>/data/reader'
is "as before" "written by reader
again" cat "$WORK/share/reader"

# --- what goes
ok "three are mounted" are_mounted 3
ok "delete a pod" "$KUBECTL" delete pod writer --timeout=60s
ok "its mount goes" eventually 30 are_mounted 2
ok "delete the others" "$KUBECTL" delete pod/reader pod/quiet --timeout=120s
ok "nothing stays mounted" eventually 30 are_mounted 0
is "what was written stays with the server" "reader writer" bash -c "cd '$WORK/share' && echo *"
ok "delete" "$LAUNCHER" delete -p "$PROFILE"
