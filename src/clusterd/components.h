#pragma once
/* What clusterd is made of: one row per component. */
#include "clusterd/client/informer.h"
#include "clusterd/cluster_config.h"
#include "clusterd/controllers/controllers.h"
#include "clusterd/events.h"
#include "clusterd/scheduler/scheduler.h"
#include "clusterd/server/server.h"

/* What the components share. Each row's start fills in its own. */
typedef struct Clusterd {
  const ClusterConfig *config;
  Events *events;
  Store *store;
  ApiScheme *scheme;
  Registry *registry;
  ApiServer *server;
  InformerSet *informers; /* shared by all that follow; started last, stopped first */
  Controllers *controllers;
  Scheduler *scheduler;
} Clusterd;

typedef struct Component {
  const char *name;
  bool (*start)(Clusterd *clusterd, GError **error);
  void (*stop)(Clusterd *clusterd); /* only called when it was started; may be NULL */
} Component;

/* In starting order; a row without a name ends it. */
extern const Component components[];
