#pragma once
/* Pulling images from registries over HTTP. Source: OCI distribution specification 1.1; docker's token authentication.
 */
#include "clusterd/node/images/image_store.h"

/* Fetches what REFERENCE names into STORE. AUTH: {"username", "password"} or {"auth": base64 of "user:password"}, may
 * be NULL. False with REASON_DOWNLOAD (no way to the registry, refused), REASON_DOWNLOAD_NOT_FOUND,
 * REASON_IMAGE_INVALID for damaged content, REASON_BAD_REQUEST for a bad reference or manifest. */
bool registry_pull(ImageStore *store, const char *reference, const json_t *auth, GError **error);
