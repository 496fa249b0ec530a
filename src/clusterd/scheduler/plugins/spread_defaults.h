#pragma once
/* The spread constraints of a pod that has none: those of its profile, for what its services and its owner select.
 * Source: k8s.io/kubernetes pkg/scheduler/framework/plugins/{podtopologyspread,helper/spread.go}. */
#include "clusterd/scheduler/plugins/plugin.h"

/* SpreadRule with a reference to each term, or NULL: the pod is of nothing that is spread. *OF_SYSTEM: they are what
 * upstream takes for granted, which nodes without the labels take part in as well. */
GArray *spread_defaults(const Cycle *cycle, bool *of_system);
