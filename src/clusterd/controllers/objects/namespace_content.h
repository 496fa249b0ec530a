#pragma once
/* What every namespace has without being asked: the service account `default` and the config map kube-root-ca.crt. */
#include "clusterd/controllers/context.h"

typedef struct NamespaceContentController NamespaceContentController;

NamespaceContentController *service_account_controller_new(const ControllerContext *context);
/* NULL when the configuration has no certificate to publish. */
NamespaceContentController *root_ca_controller_new(const ControllerContext *context);
void namespace_content_controller_free(NamespaceContentController *controller);
