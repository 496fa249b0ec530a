#!/bin/bash
# shellcheck disable=SC2034,SC2154 # harness.sh reads and sets them
# Admission with kubectl: plugins by name, Pod Security, defaults.
. "$(dirname "$0")/harness.sh"

start_cluster --enable-admission-plugins=AlwaysPullImages,NamespaceAutoProvision --disable-admission-plugins=ServiceAccount

"$CLUSTERD" --no-node --enable-admission-plugins=Nope,Priority --disable-admission-plugins=Priority \
  --data-dir "$work/refused" --cert-dir "$work/refused" --events-path "$work/refused-events" 2>"$work/refused.log"
status=$?
is "unknown plugins are refused" "$([ "$status" -ne 0 ] && echo yes)" "yes"
like "and told" "$(cat "$work/refused.log")" '*enable-admission-plugins plugin "Nope" is unknown*[[]Priority] in enable-admission-plugins and disable-admission-plugins overlapped*'

is "without accounts" "$(k run p1 --image=i:1 2>&1)" "pod/p1 created"
is "no token" "$(k get pod p1 -o 'jsonpath={.spec.volumes}')" ""
is "always pulled" "$(k get pod p1 -o 'jsonpath={.spec.containers[0].imagePullPolicy}')" "Always"
is "a namespace of its own" "$(k create configmap m -n fresh 2>&1)" "configmap/m created"

# Pod Security
is "labels are checked" "$(k label ns fresh pod-security.kubernetes.io/enforce=strict 2>&1)" \
  'The Namespace "fresh" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted'
k create ns safe >/dev/null
is "pods from before" "$(k run old -n safe --image=i 2>&1)" "pod/old created"
is "a stricter policy" "$(k label ns safe pod-security.kubernetes.io/enforce=restricted 2>&1)" \
  'Warning: existing pods in namespace "safe" violate the new PodSecurity enforce level "restricted:latest"
Warning: old: allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile
namespace/safe labeled'
is "refused" "$(k run new -n safe --image=i 2>&1)" \
  'Error from server (Forbidden): pods "new" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "new" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "new" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "new" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "new" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
k label ns safe pod-security.kubernetes.io/warn=baseline >/dev/null
k apply -n safe --dry-run=server -f - >"$work/out" 2>&1 <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {hostNetwork: true, containers: [{name: c, image: i}]}
END
is "what makes pods is warned of" "$(cat "$work/out")" \
  'Warning: would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)
deployment.apps/d created (server dry run)'

# Defaults
k apply -f - >/dev/null <<END
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: example.com/p
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
END
is "default class" "$(k get pvc data -o 'jsonpath={.spec.storageClassName} {.metadata.finalizers}')" \
  'standard ["kubernetes.io/pvc-protection"]'
is "the system's namespaces stay" "$(k delete ns kube-system 2>&1)" \
  'Error from server (Forbidden): namespaces "kube-system" is forbidden: this namespace may not be deleted'

# What plugins add is nobody's: another applier may have it without a conflict.
k apply --server-side --field-manager=one -f - >/dev/null <<END
apiVersion: v1
kind: Pod
metadata: {name: shared}
spec: {containers: [{name: c, image: i}]}
END
k apply --server-side --field-manager=two -f - >"$work/out" 2>&1 <<END
apiVersion: v1
kind: Pod
metadata: {name: shared}
spec: {priority: 0, containers: [{name: c, image: i}]}
END
is "no conflict about a default" "$(cat "$work/out")" "pod/shared serverside-applied"
is "no owner but the appliers" "$(k get pod shared --show-managed-fields -o 'jsonpath={.metadata.managedFields[*].manager}')" "one two"

done_testing
