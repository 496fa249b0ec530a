#pragma once
/*
 * Priority and fairness: which FlowSchema a request belongs to, and whether its priority level has room for it. Every
 * Limited level may have so many requests under way as its share of the server's seats gives it; with limitResponse
 * Queue so many more as its queues hold. There are no queues here: requests wait for a free worker in the order they
 * came, whatever their level, and levels do not lend to each other. Source: KEP-1040,
 * k8s.io/apiserver/pkg/util/flowcontrol. Thread-safe.
 */
#include "clusterd/server/access/identity.h"
#include "clusterd/server/registry/registry.h"
#include "clusterd/server/request_info.h"

/* kube-apiserver's --max-requests-inflight and --max-mutating-requests-inflight together. */
#define FLOW_SEATS 600

typedef struct FlowControl FlowControl;

/* REGISTRY must live longer. */
FlowControl *flow_control_new(Registry *registry, unsigned seats);
void flow_control_free(FlowControl *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FlowControl, flow_control_free)

typedef struct FlowLevel FlowLevel;

/* A request on its way; zero it first. */
typedef struct FlowTicket {
  FlowLevel *level;
  char *schema_uid, *level_uid; /* "" when the level is not there */
} FlowTicket;

/* Sorts a request of IDENTITY into its level and counts it there. False when the level is full: the ticket then only
 * has the uids. */
bool flow_control_begin(FlowControl *control, const Identity *identity, const RequestInfo *info, const char *path,
                        FlowTicket *ticket);

/* The request is answered. Frees what is in the ticket. */
void flow_control_end(FlowTicket *ticket);
