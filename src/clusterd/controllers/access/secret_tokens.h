#pragma once
/* Secrets that are tokens: fills those of type kubernetes.io/service-account-token, deletes them with their service
 * account, and deletes bootstrap tokens when they end.
 * Source: https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets */
#include "clusterd/controllers/context.h"

typedef struct SecretTokensController SecretTokensController;

SecretTokensController *secret_tokens_controller_new(const ControllerContext *context);
void secret_tokens_controller_free(SecretTokensController *controller);
