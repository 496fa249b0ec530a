#pragma once
/*
 * What the API server asks of the node agent: for the pod subresources log, exec, attach and portforward, for what is
 * used, and what the node's own HTTP API answers. The server owns this interface; main() gives it an implementation
 * (node/), so the server never includes the node. Every call may block shortly; none is made on an event loop's thread.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/server/query.h"

typedef struct PodLogRequest {
  const char *namespace_, *pod, *uid, *container;
  bool follow, previous, timestamps;
  int64_t tail_lines;  /* -1: all */
  int64_t limit_bytes; /* -1: all */
  int64_t since_us;    /* wall clock; -1: from the start */
} PodLogRequest;

/* What of the log is asked for, out of the parameters of a request: all but whose log it is. REASON_BAD_REQUEST. */
bool pod_log_request_read(const Query *query, PodLogRequest *log, GError **error);

/* A request to the node's own HTTP API, as it would come to its port. Borrowed. */
typedef struct NodeHttpRequest {
  const char *method; /* "GET" */
  const char *path;   /* as sent: percent-encoded, "" or from a slash on */
  const char *query;  /* "" when there is none */
} NodeHttpRequest;

/* Its answer: all members are the caller's to free or close. */
typedef struct NodeHttpReply {
  int status;
  char *content_type, *location; /* NULL: none */
  GBytes *body;                  /* NULL: empty */
  int fd;                        /* when not -1 the body is what can be read from it, until its end */
} NodeHttpReply;

/* A running process with its streams. Descriptors are -1 when absent; the owner of the struct closes them through
 * CLOSE. */
typedef struct NodeProcess NodeProcess;
struct NodeProcess {
  int stdin_fd;  /* write */
  int stdout_fd; /* read; with a terminal all output is here */
  int stderr_fd; /* read */
  int exit_fd;   /* becomes readable (poll) when the process has ended, e.g. a pidfd; -1: only the end of its output
                  * tells.   A child left in the background may hold the output open long after. */
  void (*resize)(NodeProcess *process, unsigned width, unsigned height); /* no-op without a terminal */
  /* Blocks until the process has ended; its exit status (128 + signal when killed). -1 with an error. */
  int (*wait)(NodeProcess *process, GError **error);
  /* Closes the descriptors, ends an exec'd process that still runs, frees. */
  void (*close)(NodeProcess *process);
};

typedef struct NodeAccess {
  void *node;
  const char *name; /* of the Node that this machine is */
  /* A descriptor to read the log from; closing it ends a follow. -1 with an error. */
  int (*logs)(void *node, const PodLogRequest *request, GError **error);
  NodeProcess *(*exec)(void *node, const char *namespace_, const char *pod, const char *container,
                       const char *const *argv, bool with_stdin, bool with_tty, GError **error);
  NodeProcess *(*attach)(void *node, const char *namespace_, const char *pod, const char *container, bool with_stdin,
                         bool with_tty, GError **error);
  /* A connected stream socket to PORT on the pod's loopback, made inside its network namespace. -1 with an error. */
  int (*connect)(void *node, const char *namespace_, const char *pod, uint16_t port, GError **error);
  /* What the node and its pods use, with rates; may look at it for a second. New reference, for metrics.k8s.io:
   *   {name, node: {timeUs, windowUs, cpuNanoCores, memoryBytes}, pods: [{namespace, name, uid, timeUs, windowUs,
   *    containers: [{name, cpuNanoCores, memoryBytes}]}]}
   * Times are wall clock; pods without numbers yet are left out, and so is a node without any. */
  json_t *(*usage)(void *node);
  /* The node's own HTTP API. Errors are answers, too. */
  void (*http)(void *node, const NodeHttpRequest *request, NodeHttpReply *reply);
} NodeAccess;
