#pragma once
/*
 * Priority and fairness: which FlowSchema a request belongs to, and when it is its turn. Every Limited level has its
 * share of the server's seats, and lends what it does not use. Who finds no seat waits in one of the level's queues:
 * each flow has a few of them (shuffle sharding), and the queues are served in turns, so that one busy flow does not
 * hold up the others. Requests wait without a thread. Source: KEP-1040, k8s.io/apiserver/pkg/util/flowcontrol.
 * Thread-safe.
 */
#include "clusterd/server/access/identity.h"
#include "clusterd/server/http/http.h"
#include "clusterd/server/registry/registry.h"
#include "clusterd/server/request_info.h"

/* A seat is a worker: who has one works. */
#define FLOW_SEATS HTTP_WORKERS_MAX
#define FLOW_WAITING_MAX 2000 /* requests in all queues */
#define FLOW_WAIT_SECONDS 15  /* upstream's: a quarter of a request's time */
/* Lists take a seat for so many objects, and never more than FLOW_LIST_SEATS_MAX. */
#define FLOW_OBJECTS_PER_SEAT 100
#define FLOW_LIST_SEATS_MAX 10

typedef struct FlowControl FlowControl;
typedef struct FlowLevel FlowLevel;
typedef struct FlowLevels FlowLevels;

/* REGISTRY must live longer. Who has waited for WAIT_US microseconds is refused. */
FlowControl *flow_control_new(Registry *registry, unsigned seats, gint64 wait_us);
/* Ends the waits; the resume of each runs before this returns. */
void flow_control_close(FlowControl *control);
void flow_control_free(FlowControl *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FlowControl, flow_control_free)

/* A request on its way; zero it first, then set the callback. */
typedef struct FlowTicket {
  /* Called once when a request that waits has a seat, or (RUNS false) has waited for too long; on any thread, must not
   * block. */
  void (*resume)(bool runs, void *data);
  void *data;
  char *schema_uid, *level_uid; /* NULL: no schema matches */
  /* flow_level.c's */
  FlowLevel *level;          /* NULL once it counts no more */
  struct FlowCounts *counts; /* of its schema there */
  struct FlowQueue *queue;   /* while it waits */
  unsigned seats;            /* wanted: 0 counts as 1; then those it gets */
  bool seated;
  unsigned away; /* how often it gave its seats back for a while */
  gint64 since;  /* it waits; monotonic, us */
  GList in_queue, in_all;
} FlowTicket;

typedef enum FlowVerdict { FLOW_RUNS, FLOW_WAITS, FLOW_REFUSED } FlowVerdict;

/* Sorts a request of IDENTITY into its level. FLOW_RUNS: it has its seats. FLOW_WAITS: the ticket belongs to the queue
 * until its resume is called. FLOW_REFUSED: there is no room. The uids are set in any case. */
FlowVerdict flow_control_begin(FlowControl *control, const Identity *identity, const RequestInfo *info,
                               const char *path, FlowTicket *ticket);

/* While a request waits for another server it has no need of its seats, which that one's requests may have. */
void flow_control_away(FlowTicket *ticket, bool away);

/* The request is answered. Frees what is in the ticket. */
void flow_control_end(FlowTicket *ticket);

/* Appends upstream's apiserver_flowcontrol_* metrics. */
void flow_control_append_metrics(FlowControl *control, GString *text);
