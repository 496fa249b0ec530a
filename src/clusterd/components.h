#pragma once
/* What clusterd is made of: one row per component. */
#include "clusterd/certificate_watch.h"
#include "clusterd/client/informer.h"
#include "clusterd/client/leader.h"
#include "clusterd/cluster_config.h"
#include "clusterd/controllers/controllers.h"
#include "clusterd/dns/dns.h"
#include "clusterd/events.h"
#include "clusterd/node/docker/docker_activation.h"
#include "clusterd/node/kubelet.h"
#include "clusterd/proxy/proxy.h"
#include "clusterd/scheduler/scheduler.h"
#include "clusterd/server/server.h"

typedef struct Turn Turn;

/* What the components share. Each row's start fills in its own. */
typedef struct Clusterd {
  const ClusterConfig *config;
  Events *events;
  char *node_ip; /* the machine's own address */
  Store *store;
  ApiScheme *scheme;
  Registry *registry;
  ApiServer *server;
  CertificateWatch *certificates;
  VolumeFolders volume_folders; /* of this machine, where it is a node */
  InformerSet *informers;       /* shared by all that follow; started last, stopped first */
  Controllers *controllers;
  Scheduler *scheduler;
  Turn *control_turn, *schedule_turn; /* in their place where several servers share the store */
  Client *kubelet_client, *dns_client;
  Runtime *runtime;
  PressureSettings *pressure;
  Kubelet *kubelet;
  Proxy *proxy;
  Dns *dns;
  DockerActivation *docker;
} Clusterd;

typedef struct Component {
  const char *name;
  bool (*start)(Clusterd *clusterd, GError **error);
  void (*stop)(Clusterd *clusterd); /* only called when it was started; may be NULL */
} Component;

/* In starting order; a row without a name ends it. */
extern const Component components[];

/* control_components.c */
bool controllers_begin(Clusterd *clusterd, GError **error);
void controllers_end(Clusterd *clusterd);
bool scheduler_begin(Clusterd *clusterd, GError **error);
void scheduler_end(Clusterd *clusterd);

/* node_components.c: what makes this machine a node. "make" hooks in before the informers start, "begin" sets to work
 * after. */
bool address_find(Clusterd *clusterd, GError **error);
void address_end(Clusterd *clusterd);
bool proxy_make(Clusterd *clusterd, GError **error);
bool proxy_begin(Clusterd *clusterd, GError **error);
void proxy_end(Clusterd *clusterd);
bool dns_make(Clusterd *clusterd, GError **error);
bool dns_begin(Clusterd *clusterd, GError **error);
void dns_end(Clusterd *clusterd);
bool node_make(Clusterd *clusterd, GError **error);
bool node_begin(Clusterd *clusterd, GError **error);
void node_end(Clusterd *clusterd);
bool docker_begin(Clusterd *clusterd, GError **error);
void docker_end(Clusterd *clusterd);
