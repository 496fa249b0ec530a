#!/bin/bash
# shellcheck disable=SC2154 # harness.sh sets them
# helm 3 and helm 4, unmodified: the life of their default chart.
. "$(dirname "$0")/clients.sh"
need_clients
start_fake_cluster

# life VERSION HELM
life() {
  release=web$1
  rm -rf web
  like "helm $1" "$("$2" version --short)" "v$1.*"
  succeeds "helm $1: create" "$2" create web
  succeeds "helm $1: lint" "$2" lint web
  succeeds "helm $1: install --dry-run" "$2" install "$release" ./web --dry-run=server
  is "helm $1: a dry run leaves nothing" "$("$2" list -q)" ""
  succeeds "helm $1: install --wait" "$2" install "$release" ./web --wait --timeout 30s
  is "helm $1: it runs" "$(k get deploy "$release" -o 'jsonpath={.status.availableReplicas}')" 1
  succeeds "helm $1: upgrade" "$2" upgrade "$release" ./web --set replicaCount=2 --wait --timeout 30s
  is "helm $1: it is upgraded" "$(k get deploy "$release" -o 'jsonpath={.spec.replicas} {.status.availableReplicas}')" "2 2"
  succeeds "helm $1: upgrade again" "$2" upgrade "$release" ./web --set ingress.enabled=true,autoscaling.enabled=true --wait --timeout 30s
  like "helm $1: get manifest" "$("$2" get manifest "$release")" "*kind: HorizontalPodAutoscaler*"
  is "helm $1: an ingress" "$(k get ingress "$release" -o 'jsonpath={.spec.rules[0].host}')" chart-example.local
  succeeds "helm $1: rollback" "$2" rollback "$release" 1 --wait --timeout 30s
  is "helm $1: it is rolled back" "$(k get deploy "$release" -o 'jsonpath={.spec.replicas}')" 1
  is "helm $1: what the first one had not is gone" "$(k get hpa,ingress -o name)" ""
  is "helm $1: history" "$("$2" history "$release" | tail -n +2 | wc -l)" 4
  succeeds "helm $1: test" "$2" test "$release"
  like "helm $1: status" "$("$2" status "$release")" "*STATUS: deployed*"
  succeeds "helm $1: uninstall" "$2" uninstall "$release" --wait
  is "helm $1: nothing is left" "$(k get deploy,secret,sa -o name -l app.kubernetes.io/instance="$release")" ""
}

life 3 "$clients/v32/helm/helm"
life 4 "$clients/v35/helm/helm"
done_testing
