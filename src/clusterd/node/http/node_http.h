#pragma once
/* The node's own HTTP API, as upstream's kubelet answers on its port: reached through nodes/NAME/proxy alone. Source:
 * k8s.io/kubernetes/pkg/kubelet/server. */
#include "clusterd/node/kubelet.h"
#include "clusterd/server/node_access.h"

/* NodeAccess.http: NODE is the Kubelet. */
void node_http_answer(void *node, const NodeHttpRequest *request, NodeHttpReply *reply);
