#pragma once
/*
 * One of several servers does the work that only one may do: who holds a Lease. The semantics and the timing are those
 * of upstream's leader election: a holder renews every few seconds; who has not managed to for the renewal's deadline
 * stops working, before the lease has run out for the others; a lease that nobody has renewed for its duration, seen on
 * one's own clock, may be taken. One that is let go is taken at once: waiting servers watch it.
 */
#include "clusterd/client/client.h"

typedef struct LeaderTimes {
  int64_t lease_us;          /* 0: 15 s */
  int64_t renew_deadline_us; /* 0: 10 s */
  int64_t retry_us;          /* 0: 2 s */
} LeaderTimes;

typedef struct LeaderConfig {
  const char *lease; /* in kube-system: "kube-controller-manager" */
  LeaderTimes times;
  /* BEGIN the work, and END it: returns when nothing is done any more. Both are called by one thread, in turns. */
  void (*begin)(void *data);
  void (*end)(void *data);
  void *data;
} LeaderConfig;

typedef struct Leader Leader;

/* Begins to strive for the lease. REGISTRY must outlive the leader. */
Leader *leader_start(Registry *registry, const LeaderConfig *config);

/* Ends the work when it is being done, lets the lease go and frees. */
void leader_stop(Leader *leader);
