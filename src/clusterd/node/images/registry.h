#pragma once
/* Pulling images from registries over HTTP. Source: OCI distribution specification 1.1; the texts of errors are
 * containerd's. */
#include "clusterd/node/images/image_store.h"
#include "clusterd/node/images/registries.h"

/* What has come of all bytes of an image's packed layers. Called now and then, from threads of the pull, never from two
 * at once. */
typedef void (*RegistryProgress)(void *user, int64_t done, int64_t total);

typedef struct RegistryPull {
  const char *reference;     /* as a person writes it */
  const json_t *auth;        /* as registry_http_open() takes it; may be NULL */
  RegistryProgress progress; /* may be NULL */
  void *user;
} RegistryPull;

/* Fetches what PULL names into STORE. What other threads and processes fetch at the same time is waited for, not
 * fetched again; what an earlier pull was cut off from goes on there. False with REASON_DOWNLOAD (no way to the
 * registry), REASON_DOWNLOAD_NOT_FOUND, REASON_UNAUTHORIZED, REASON_TOO_MANY_REQUESTS, REASON_IMAGE_INVALID for damaged
 * content, REASON_BAD_REQUEST for a bad reference or manifest, REASON_INSUFFICIENT_STORAGE, REASON_INTERRUPTED. */
bool registry_pull(ImageStore *store, Registries *registries, const RegistryPull *pull, GError **error);
