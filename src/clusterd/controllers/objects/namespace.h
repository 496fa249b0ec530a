#pragma once
/* Namespaces that are being deleted: everything in them goes, then they do.
 * Source: k8s.io/kubernetes pkg/controller/namespace/deletion. */
#include "clusterd/controllers/context.h"

typedef struct NamespaceController NamespaceController;

NamespaceController *namespace_controller_new(const ControllerContext *context);
void namespace_controller_free(NamespaceController *controller);
