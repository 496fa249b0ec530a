#!/bin/bash
# Module 2, hello: the first commands of a student.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
module 02

like "cluster-info" 'control plane.* is running at' k cluster-info
ok "run hello" k run hello --image=tutum/hello-world --port=80
like "run a shell once" "^inside$" k run once --rm -i --quiet --image=busybox --restart=Never --command -- echo inside
ok "run nginx" k run nginx --image=nginx
ok "apply a file" k apply -f "$(manifest 02-hello)"
ok "all run" k wait pod --all --for=condition=Ready --timeout=90s
like "get pods" 'hello-world +1/1 +Running +0' k get pods
like "describe pod" 'Successfully assigned' k describe pod hello-world
like "describe by kind and name" 'Image: +nginx' k describe pod/nginx
like "get what a file names" "hello-world" k get -f "$(manifest 02-hello)"
like "get as YAML" '^ *podIP: ' k get pods -o yaml
ok "a service" k expose pod hello --port=80
is "get services as JSON" hello sh -c "'$KUBECTL' get services -o json | jq -r '.items[].metadata.name'"
is "sorted" "hello hello-world nginx" sh -c "'$KUBECTL' get pods --sort-by=.metadata.name -o name | sed 's#pod/##' | paste -sd ' '"
ok "several kinds" k get rs,deployments,service
like "describe nodes" 'Allocatable:' k describe nodes
like "a pod and a service" 'service/hello' k get pod/hello svc/hello
like "by label" 'hello-world' k get pod -l name=hello-world
like "capacities with jq" '"cpu":' sh -c "'$KUBECTL' get nodes -o json | jq '.items[] | {name:.metadata.name, cap:.status.capacity}'"
like "capacities with egrep" 'memory:' sh -c "'$KUBECTL' get nodes -o yaml | grep -E '\\sname:|cpu:|memory:'"
like "get all" 'pod/nginx' k get all
address=$(k get pod hello -o yaml | awk '$1 == "podIP:" {print $2}')
like "the pod by its address, from another" '[Hh]ello|nginx' k exec nginx -- curl -sS -m 5 "http://$address/"
ok "delete one" k delete pod hello-world --timeout=60s
ok "delete all" k delete pods --all --timeout=60s
like "nothing but the service is left" '^service/hello' k get all -o name
