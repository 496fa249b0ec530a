#pragma once
/* Tells of every flow schema whether the priority level it names is there: condition Dangling. Source:
 * k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go. */
#include "clusterd/controllers/context.h"

typedef struct FlowSchemaController FlowSchemaController;

FlowSchemaController *flow_schema_controller_new(const ControllerContext *context);
void flow_schema_controller_free(FlowSchemaController *controller);
