#!/bin/bash
# Module 6, configuration: resources and quotas, ConfigMaps and Secrets, access of a student with a certificate of
# their own, and what may run.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
module 06

# Debian's kubectl 1.20 crashes at the words a student would use.
credentials() {
  k config set-credentials jane --client-key="$WORK/jane.key" --client-certificate="$WORK/jane.crt" --embed-certs ||
    { k config set users.jane.client-key "$WORK/jane.key" && k config set users.jane.client-certificate "$WORK/jane.crt"; }
}

# --- requests and limits
ok "pods of every class" k apply -f "$(manifest 06-resources)"
for pair in guaranteed:Guaranteed burstable:Burstable best-effort:BestEffort; do
  ok "${pair%%:*} is ready" k wait "pod/${pair%%:*}" --for=condition=Ready --timeout=60s
  is "its class" "${pair##*:}" field pod "${pair%%:*}" '{.status.qosClass}'
done
like "limits alone are requests too" 'cpu: +100m' k describe pod guaranteed
becomes "more memory than allowed ends it" 60 OOMKilled k get pod greedy
is "with 137" 137 field pod greedy '{.status.containerStatuses[0].state.terminated.exitCode}'
becomes "more CPU than there is stays Pending" 30 'Insufficient cpu' k describe pod too-big
like "the node tells what is given away" 'Allocated resources:' k describe nodes
ok "delete them" k delete -f "$(manifest 06-resources)" --timeout=60s

# --- limit ranges
ok "a limit range" k apply -f "$(manifest 06-limit-range)"
like "describe shows it" 'Container +memory +4Mi +128Mi +16Mi +64Mi' k describe limitrange defaults
ok "a pod without resources" k run plain --image=busybox --restart=Never --command -- sleep 3600
is "gets the defaults" "10m 16Mi 200m 64Mi" field pod plain \
  '{.spec.containers[0].resources.requests.cpu} {.spec.containers[0].resources.requests.memory} {.spec.containers[0].resources.limits.cpu} {.spec.containers[0].resources.limits.memory}'
exits "one above the maximum is refused" 1 'maximum memory usage per Container is 128Mi, but limit is 1Gi' k run big --image=busybox \
  --overrides='{"spec":{"containers":[{"name":"big","image":"busybox","resources":{"limits":{"memory":"1Gi"}}}]}}'

# --- quotas
ok "a quota" k apply -f "$(manifest 06-quota)"
becomes "counts what is there" 20 'pods +1 +4' k describe quota team
ok "a deployment beyond it" k create deployment crowd --image=busybox --replicas=6 -- sleep 3600
becomes "gets as many pods as the quota leaves" 60 'crowd +3/6' k get deployment crowd
like "its events say why" 'exceeded quota: team, requested: pods=1, used: pods=4, limited: pods=4' sh -c "'$KUBECTL' get events; '$KUBECTL' get rs -o yaml"
exits "a pod beyond it" 1 'exceeded quota: team, requested: pods=1, used: pods=4, limited: pods=4' \
  k run more --image=busybox --restart=Never --command -- sleep 3600
exits "a node port beyond it" 1 'exceeded quota: team, requested: services.nodeports=1' k create service nodeport outside --tcp=80
ok "fewer pods" k delete deployment crowd --timeout=60s
becomes "give the quota back" 60 'pods +1 +4' k describe quota team
ok "delete quota and limits" k delete quota/team limitrange/defaults pod/plain --timeout=60s

# --- ConfigMaps and Secrets
printf 'color.good=purple\n' >"$WORK/ui.properties"
ok "a config map from file and literal" k create configmap ui --from-file="$WORK/ui.properties" --from-literal=how=very
is "holds both" "very color.good=purple" field configmap ui '{.data.how} {.data.ui\.properties}'
ok "a secret from literals" k create secret generic db --from-literal=user=admin --from-literal=pass='S!B\*d$zDsb='
is "is kept as base64" "$(printf '%s' 'S!B\*d$zDsb=' | base64)" field secret db '{.data.pass}'
like "describe does not tell it" 'pass: +12 bytes' k describe secret db
ok "a pod that uses them" k apply -f "$(manifest 06-config)"
ok "is ready" k wait pod/configured --for=condition=Ready --timeout=60s
is "as an argument" "lives: 3" k logs configured
is "as variables" "t0p-Secret admin" k exec configured -- sh -c 'echo $PASSWORD $LOGIN_username'
like "as files" 'enemies=aliens' k exec configured -- cat /config/game/game.properties
is "for its owner only" "400 t0p-Secret" k exec configured -- sh -c 'echo $(stat -Lc %a /secret/password) $(cat /secret/password)'
becomes "a key that is not there" 30 CreateContainerConfigError k get pod misconfigured
like "is told in the events" "couldn't find key no-such-key in ConfigMap $NAMESPACE/game" k describe pod misconfigured
ok "change the config map" k patch configmap game --type merge -p '{"data":{"game.properties":"enemies=cheats\n"}}'
becomes "the file follows" 100 'enemies=cheats' k exec configured -- cat /config/game/game.properties
ok "an immutable one" k patch configmap ui --type merge -p '{"immutable":true}'
exits "does not change" 1 'field is immutable when `immutable` is set' k patch configmap ui --type merge -p '{"data":{"how":"less"}}'
ok "delete them" k delete -f "$(manifest 06-config)" --timeout=60s

# --- access: a student with a certificate of their own
ok "a role and its binding" k apply -f "$(manifest 06-rbac)"
openssl req -new -newkey rsa:2048 -nodes -keyout "$WORK/jane.key" -subj /CN=jane/O=students -out "$WORK/jane.csr" 2>/dev/null
request=jane-$$
ok "ask for a certificate" sh -c "'$KUBECTL' create -f - <<END
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: $request}
spec:
  request: $(base64 -w0 "$WORK/jane.csr")
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
END"
like "it waits" 'Pending' k get csr "$request"
ok "approve it" k certificate approve "$request"
becomes "it is issued" 20 'Approved,Issued' k get csr "$request"
field csr "$request" '{.status.certificate}' | base64 -d >"$WORK/jane.crt"
ok "put it into the kubeconfig" credentials
cluster=$(k config view -o 'jsonpath={.contexts[0].context.cluster}')
ok "a context of her own" k config set-context jane --cluster="$cluster" --user=jane --namespace="$NAMESPACE"
ok "she reads pods" k --context=jane get pods
exits "but no secrets" 1 'secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" in the namespace "'"$NAMESPACE"'"' \
  k --context=jane get secrets
exits "and creates nothing" 1 'User "jane" cannot create resource "pods"' k --context=jane run hers --image=busybox
is "can-i" "yes no" sh -c "echo \$('$KUBECTL' auth can-i list pods --as jane) \$('$KUBECTL' auth can-i delete pods --as jane)"
ok "the certificate request goes" k delete csr "$request"
ok "a service account" k create serviceaccount robot
ok "may view" k create rolebinding robot-views --clusterrole=view --serviceaccount="$NAMESPACE:robot"
is "and no more" "yes no" sh -c "echo \$('$KUBECTL' auth can-i list deployments --as system:serviceaccount:$NAMESPACE:robot) \$('$KUBECTL' auth can-i get secrets --as system:serviceaccount:$NAMESPACE:robot)"

# --- what may run
ok "a pod that gives up its rights" k apply -f "$(manifest 06-security-context)"
ok "is ready" k wait pod/secured --for=condition=Ready --timeout=60s
like "its user and groups" '^uid=1000 gid=3000 groups=2000(,3000)?$' k exec secured -- id
exits "its root is read-only" 1 'Read-only file system' k exec secured -- touch /file
is "its volume is its group's" 2000 k exec secured -- sh -c 'touch /data/file && stat -c %g /data/file'
is "it has no capability" 0000000000000000 k exec secured -- sh -c "awk '/^CapEff/ {print \$2}' /proc/self/status"
ok "the namespace enforces the baseline" k label namespace "$NAMESPACE" pod-security.kubernetes.io/enforce=baseline
exits "a privileged pod is refused" 1 'violates PodSecurity "baseline:latest": privileged' k run rooted --image=busybox --privileged
exits "restricted wants more" 1 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false' sh -c \
  "'$KUBECTL' label --overwrite namespace $NAMESPACE pod-security.kubernetes.io/enforce=restricted && '$KUBECTL' run loose --image=busybox"
ok "a network policy" k apply -f "$(manifest 06-network-policy)"
like "describe explains it" 'PodSelector: access=true' k describe networkpolicy access-web
