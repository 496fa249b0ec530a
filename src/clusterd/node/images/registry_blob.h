#pragma once
/*
 * A packed layer on its way from a registry: written to a file of the store's downloads/, from where it goes on after a
 * cut, and read while it grows. Its digest is taken as it is written; the last read waits for it. Internal to
 * registry.c.
 */
#include "clusterd/node/images/image_loader.h"
#include "clusterd/node/images/registry_http.h"

typedef struct RegistryBlob RegistryBlob;

/* Called from the thread that fetches, for every block that came. */
typedef void (*BlobProgress)(void *user, int64_t bytes);

/* The blob DIGEST (valid) of SIZE bytes, whose file lies in FOLDER; waits until no other process or thread fetches it.
 * REASON_FILE. */
RegistryBlob *registry_blob_open(const char *folder, const char *digest, int64_t size, GError **error);

/* Lets go of it. The file stays: what is there need not be fetched again. */
void registry_blob_free(RegistryBlob *blob);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RegistryBlob, registry_blob_free)

/* Fetches what is missing, on a thread of its own, from now on. */
void registry_blob_start(RegistryBlob *blob, RegistryHttp *http, BlobProgress progress, void *user);

/* A LayerRead: the next bytes, once they are there. */
ssize_t registry_blob_read(void *blob, const void **block, GError **error);

/* Waits for the end of the fetching. True when all of it is there and matches its digest; else the file is gone when it
 * is of no use. REASON_IMAGE_INVALID for other content, REASON_INSUFFICIENT_STORAGE, or registry_http_request()'s. */
bool registry_blob_finish(RegistryBlob *blob, GError **error);

/* Nobody wants it any more: the fetching ends soon, with REASON_INTERRUPTED. */
void registry_blob_abandon(RegistryBlob *blob);

/* Whether some of it was there already when it was opened: a bad digest may then be of that part. */
bool registry_blob_continued(const RegistryBlob *blob);

/* Removes the file of DIGEST in FOLDER. */
void registry_blob_remove(const char *folder, const char *digest);
