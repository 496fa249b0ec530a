#pragma once
/* One HTTP exchange over libcurl. Internal to registry_*.c. */
#include "clusterd/node/images/registry_challenge.h"
#include "clusterd/node/images/registry_http.h"

#define TRANSFER_MESSAGE_MAX 4096 /* bytes of a refusal's body that are looked at */

typedef struct RegistryTransfer {
  const RegistryRequest *request;
  const char *url;
  const char *post; /* a form to send; NULL: GET */
  long status;
  int64_t at;          /* where the next byte of the body lies in what was asked for */
  int64_t retry_after; /* seconds; -1: not said */
  RegistryChallenge challenge;
  GByteArray *refusal; /* body of an answer that is no success */
  GError *error;       /* of the taker */
} RegistryTransfer;
void registry_transfer_clear(RegistryTransfer *transfer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RegistryTransfer, registry_transfer_clear)

/* Does it on CURL, with TOKEN as bearer or LOGIN ("user:password"), either may be NULL. True when there was an answer,
 * whatever its status. */
bool registry_transfer_perform(RegistryHttp *http, CURL *curl, RegistryTransfer *transfer, const char *token,
                               const char *login, GError **error);

/* The error an answer that is no success stands for. False, always. */
bool registry_transfer_refuse(const RegistryTransfer *transfer, GError **error);
