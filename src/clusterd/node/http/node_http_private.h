#pragma once
/* What the answers of the node's HTTP API share. */
#include "clusterd/node/http/node_http.h"
#include "clusterd/node/kubelet_private.h"
#include "clusterd/server/query.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define NODE_PATH_MAX 64 /* segments */

typedef struct NodeCall {
  Kubelet *kubelet;
  const NodeHttpRequest *request;
  char **parts; /* the path's segments, decoded; without the first */
  bool folder;  /* the path ends with a slash */
  Query *query;
  NodeHttpReply *reply;
} NodeCall;

/* Each makes the reply. Both copy the texts; take the reference. */
void node_reply_text(NodeCall *call, int status, const char *content_type, const char *text);
void node_reply_json(NodeCall *call, json_t *value);
/* "404 page not found". */
void node_reply_absent(NodeCall *call);
/* As its HTTP status. */
void node_reply_error(NodeCall *call, const GError *error);

/* The answers: node_pods.c, node_logs.c, summary.c, node_metrics.c, cadvisor.c, configz.c. */
void node_answer_pods(NodeCall *call);
void node_answer_running_pods(NodeCall *call);
void node_answer_container_logs(NodeCall *call);
void node_answer_logs(NodeCall *call);
void node_answer_stats(NodeCall *call);
void node_answer_metrics(NodeCall *call);
void node_answer_configz(NodeCall *call);

/* cadvisor.c, node_metrics.c: the texts. */
void cadvisor_append(Kubelet *kubelet, GString *text);
