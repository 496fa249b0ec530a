#pragma once
/* containerd's own stores of blobs and images, which have what the CRI has not: a way in that is no registry. Internal
 * to node/cri. */
#include "clusterd/node/cri/cri_runtime.h"

/* What keeps containerd from taking away what no image uses yet. */
typedef struct StoreLease StoreLease;

/* NULL with REASON_RUNTIME. */
StoreLease *store_lease_new(CriRuntime *cri, GError **error);
void store_lease_free(StoreLease *lease);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreLease, store_lease_free)

/* Calls METHOD ("leases.v1.Leases/Create") of containerd itself under LEASE: what is made is kept by it. False with the
 * error of grpc_answer_error(). */
bool store_order(StoreLease *lease, const char *method, const void *request, GError **error);
/* The same for an answer of interest, a message of type REPLY, to be freed by cri_message_free(). */
void *store_ask(StoreLease *lease, const char *method, const void *request, const ProtobufCMessageDescriptor *reply,
                GError **error);

/* Gives the next piece of a blob: bytes at *BLOCK until the next call; 0 at its end, -1 with an error. */
typedef ssize_t (*StoreRead)(void *data, const void **block, GError **error);

typedef struct StoreBlob {
  char *digest; /* "sha256:…" */
  int64_t size;
} StoreBlob;
void store_blob_free(StoreBlob *blob);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreBlob, store_blob_free)

/* Writes a blob. EXPECTED, its digest, may be NULL: then it is whatever comes. NULL with REASON_BAD_REQUEST when it is
 * not what was expected, or an error of READ or of containerd. */
StoreBlob *store_write(StoreLease *lease, const char *expected, StoreRead read, void *data, GError **error);

/* As store_write() for what is in memory, with CHILDREN (char*, may be NULL): digests of what it needs. */
StoreBlob *store_write_bytes(StoreLease *lease, const void *bytes, size_t length, const GPtrArray *children,
                             GError **error);

/* Lets NAME stand for the manifest BLOB. */
bool store_name(StoreLease *lease, const char *name, const char *media_type, const StoreBlob *blob, GError **error);

#define STORE_OCI "application/vnd.oci.image." /* how media types begin */

/* {mediaType, digest, size} of BLOB. New reference. */
json_t *store_descriptor(const char *media_type, const StoreBlob *blob);

typedef struct StoreImage {
  GBytes *manifest;
  const StoreBlob *config; /* stored, as the layers are */
  const GPtrArray *layers; /* digests of those (char*) */
  const GPtrArray *names;  /* in full (char*); empty: it gets one that is shown nowhere */
} StoreImage;

/* Puts an image, which is unpacked first, in its place and waits until the CRI knows of it. What it is called is
 * appended to LOADED (may be NULL). */
bool store_publish(StoreLease *lease, const StoreImage *image, json_t *loaded, GError **error);
