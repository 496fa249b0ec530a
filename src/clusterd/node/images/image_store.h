#pragma once
/*
 * Images on disk, shared by the daemon and `clusterd image`:
 *
 *   lock              flock(2), held for short changes of what follows
 *   index.json        {"version": 1, "images": {ID: {"layers": [NAME…], "size": N}}, "references": {TEXT: ID}}
 *   configs/HEX.json  the image's configuration, the bytes ID is the digest of
 *   layers/HEX/       one layer, unpacked once, ready as overlayfs lower layer; HEX is of its name: its diff id, or its
 *                     chain id when it has links to files of the layers below
 *   layers/HEX.recipe how to make its tar again
 *   tmp/              what is being unpacked; each folder is flocked by its writer
 *   downloads/HEX     what has come of a packed layer from a registry; HEX is of its own digest; flocked by its writer
 *
 * A second store of the same layout may lie below, read-only. Whatever is in dockerd's data root is seen as well.
 * Every call may be made from any thread and any process.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define IMAGE_LAYERS_MAX 200        /* of one image */
#define IMAGE_CONFIG_MAX (8u << 20) /* bytes */

typedef struct ImageStore ImageStore;

/* One image, ready to be mounted. */
typedef struct Image {
  char *id;         /* "sha256:…" */
  char *store_dir;  /* of the store it lies in; NULL: dockerd's */
  json_t *config;   /* OCI image configuration */
  char **layers;    /* folders, the lowest first; NULL-terminated */
  char **repo_tags; /* "docker.io/library/busybox:latest" */
  char **repo_digests;
  int64_t size_bytes;
  bool read_only; /* as image_store_list sets it: lies below, or is dockerd's */
} Image;
void image_free(Image *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Image, image_free)

/* Opens the store in DIR, making it where absent, with the read-only store BELOW and dockerd's root DOCKER_ROOT (either
 * may be NULL or absent). IMAGE_USERS_DIR: the containers' folder, whose states keep layers alive. REASON_FILE. */
ImageStore *image_store_open(const char *dir, const char *below, const char *docker_root, const char *image_users_dir,
                             GError **error);
void image_store_free(ImageStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageStore, image_store_free)

/* The image a pod spec's reference, or an id, names. NULL with REASON_RUNTIME_NOT_FOUND or REASON_BAD_REQUEST. Looked
 * for in the store itself, then dockerd's, then the read-only one. */
Image *image_store_find(ImageStore *store, const char *reference, GError **error);

/* Image* of all, each once. */
GPtrArray *image_store_list(ImageStore *store, GError **error);

/* Takes a reference away, and with the last tag or an id the image and all its references; unused layers go too.
 * REASON_CONFLICT while a container uses the last reference's image, REASON_RUNTIME_NOT_FOUND when it is not there or
 * lies in a read-only place. */
bool image_store_remove(ImageStore *store, const char *reference, GError **error);

/* Gives the image SOURCE names also the name TARGET, which loses its former image; on disk when it returns. Nothing is
 * written when it has it. REASON_RUNTIME_NOT_FOUND, REASON_BAD_REQUEST. */
bool image_store_tag(ImageStore *store, const char *source, const char *target, GError **error);

/* The folder downloads/. */
const char *image_store_downloads(const ImageStore *store);

/* Whether a container was made from the image with this id ("sha256:…"). */
bool image_store_in_use(ImageStore *store, const char *id);

/* Reads a docker-archive or OCI archive (plain or compressed) from FD to its end. The array of the references it
 * brought (ids for images without one), new reference; NULL with REASON_BAD_REQUEST, REASON_FILE,
 * REASON_INSUFFICIENT_STORAGE. */
json_t *image_store_load(ImageStore *store, int fd, GError **error);

/* Writes the images NAMES (NULL-terminated) to FD as docker save does: each under the name it was asked for. Their ids
 * stay what they are. REASON_RUNTIME_NOT_FOUND, REASON_USAGE for an image of dockerd's, REASON_FILE,
 * REASON_INSUFFICIENT_STORAGE, REASON_CONFIG when a layer was changed behind the store's back. */
bool image_store_save(ImageStore *store, const char *const *names, int fd, GError **error);

/* Removes layers and configurations no image or container refers to, and what a crash left half done. */
bool image_store_sweep(ImageStore *store, GError **error);

/* Keeps image_store_remove() of every process out until the descriptor is closed: taken while a container's state that
 * names an image is being written. -1 with an error. */
int image_store_hold(ImageStore *store, GError **error);
/* The same for who only reads: others may share it, containers that are made at once need not wait for each other. */
int image_store_share(ImageStore *store, GError **error);
