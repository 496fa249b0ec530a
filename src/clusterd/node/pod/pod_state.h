#pragma once
/*
 * What a pod's worker knows of its pod on this node: the sandbox, and per container the newest attempt and the one
 * before it. Owned by the worker's thread; pod_status.h turns it into what the API shows.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/node/address_pair.h"
#include "clusterd/node/pod/back_off.h"
#include "clusterd/node/runtime.h"

typedef enum ContainerRole { ROLE_INIT, ROLE_SIDECAR, ROLE_MAIN, ROLE_EPHEMERAL } ContainerRole;

typedef struct ContainerRecord {
  char *name;
  ContainerRole role;
  json_t *spec;                         /* borrowed from the pod */
  ContainerStatus *current;             /* newest attempt; NULL: none yet */
  ContainerStatus *last;                /* the attempt before it, ended; NULL: none */
  char *current_message, *last_message; /* termination messages */
  unsigned next_attempt;                /* what the next one is called: restartCount after it starts */
  const char *waiting_reason; /* why there is no running container; NULL: ContainerCreating or PodInitializing */
  char *waiting_message;
  bool started, ready; /* as the probes say */
  bool unhealthy;      /* liveness or startup probe failed: restart it */
  BackOff back_off;    /* of restarts, by the wall clock */
  bool let_through;    /* the newest attempt's back-off is over: what holds it up is an image or a setting */
} ContainerRecord;

typedef struct PodState {
  json_t *pod; /* the newest from the API; a reference */
  char *sandbox_id;
  unsigned sandbox_attempt;
  bool sandbox_ready;
  char *ip, *other_ip;        /* other_ip: of the other IP family; NULL: none */
  AddressPair host_ips;       /* borrowed */
  GPtrArray *records;         /* ContainerRecord*: init containers, containers, ephemeral, each in order */
  bool restartable_init_done; /* all init containers have done their part in this sandbox */
  const char *reason;         /* why the node ended the pod ("DeadlineExceeded", "Evicted"); NULL: it did not */
  const char *message;
  bool disrupted;                        /* for others' sake, not its own fault: says its condition DisruptionTarget */
  bool refused;                          /* before any of it began */
  const char *runtime_scheme;            /* of containerID: "crun" */
  const char *blocked, *blocked_message; /* why nothing of it is run, as long as it is so; NULL: it is */
  bool mounts_read_only_below;           /* as the runtime's */
} PodState;

/* How the pod is reached: the node's addresses when it has the node's network. Borrowed. */
AddressPair pod_state_ips(const PodState *state);

void pod_state_init(PodState *state);
void pod_state_clear(PodState *state);

/* Takes a reference to POD and brings the records in step with its containers. Restart counts of containers the runtime
 * does not know come from POD's status. */
void pod_state_set_pod(PodState *state, json_t *pod);

ContainerRecord *pod_state_record(const PodState *state, const char *name);

/* Puts the newest two attempts of each container from CONTAINERS (ContainerStatus*, taken out of the array) into the
 * records; returns the older ones, to be removed. */
GPtrArray *pod_state_observe(PodState *state, GPtrArray *containers);

/* The newest attempt runs, or ran, in the present sandbox. */
bool record_is_current(const PodState *state, const ContainerRecord *record);
bool record_is_running(const ContainerRecord *record);
bool record_has_exited(const ContainerRecord *record);

void record_set_waiting(ContainerRecord *record, const char *reason, const char *message);
