#pragma once
/* What every controller is made from. */
#include "clusterd/client/informer.h"
#include "clusterd/controllers/controllers.h"

typedef struct ControllerContext {
  Registry *registry;
  InformerSet *informers;
  const ControllersConfig *config;
  AlarmClock *clock; /* never NULL; outlives the controllers */
} ControllerContext;
