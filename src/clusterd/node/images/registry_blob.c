#include "clusterd/node/images/registry_blob.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define TRIES_MAX 5       /* in a row that bring nothing */
#define FIRST_WAIT_S 0.25 /* doubled each time */
#define BLOCK_BYTES (64u << 10)

struct RegistryBlob {
  char *path, *digest;
  int fd;
  int64_t size, found; /* FOUND: bytes that were there when it was opened */
  RegistryHttp *http;
  CURL *curl;
  BlobProgress progress;
  void *user;
  GThread *thread;
  GChecksum *checksum; /* of the first HAVE bytes; the fetching thread's */
  int64_t position;    /* the reader's */
  gint abandoned;      /* atomic */
  guint8 block[BLOCK_BYTES];
  GMutex lock; /* guards what follows */
  GCond changed;
  int64_t have; /* bytes in the file that count */
  bool ended;
  GError *error; /* how it ended; NULL: well */
};

static char *blob_path(const char *folder, const char *digest)
{
  return g_build_filename(folder, digest + strlen("sha256:"), NULL);
}

/* Opens and locks PATH. Whoever held it may have removed it meanwhile: then it is another file. */
static int open_locked(const char *path, GError **error)
{
  for (;;) {
    struct stat opened, named;
    file_autofd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &opened) < 0) {
      reason_set_errno(error, errno == ENOSPC ? REASON_INSUFFICIENT_STORAGE : REASON_FILE, errno, "Cannot open %s",
                       path);
      return -1;
    }
    if (stat(path, &named) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev)
      return g_steal_fd(&fd);
  }
}

RegistryBlob *registry_blob_open(const char *folder, const char *digest, int64_t size, GError **error)
{
  g_autofree char *path = blob_path(folder, digest);
  struct stat info;
  file_autofd int fd = open_locked(path, error);
  if (fd < 0)
    return NULL;
  if (fstat(fd, &info) < 0 || (info.st_size > size && ftruncate(fd, 0) < 0)) {
    reason_set_errno(error, REASON_FILE, errno, "Cannot use %s", path);
    return NULL;
  }
  RegistryBlob *blob = g_new0(RegistryBlob, 1);
  blob->path = g_steal_pointer(&path);
  blob->digest = g_strdup(digest);
  blob->fd = g_steal_fd(&fd);
  blob->size = size;
  blob->found = info.st_size > size ? 0 : info.st_size;
  blob->checksum = g_checksum_new(G_CHECKSUM_SHA256);
  g_mutex_init(&blob->lock);
  g_cond_init(&blob->changed);
  return blob;
}

void registry_blob_free(RegistryBlob *blob)
{
  if (!blob)
    return;
  if (blob->thread)
    g_thread_join(blob->thread);
  if (blob->curl)
    curl_easy_cleanup(blob->curl);
  file_close(&blob->fd);
  g_free(blob->path);
  g_free(blob->digest);
  g_checksum_free(blob->checksum);
  g_clear_error(&blob->error);
  g_mutex_clear(&blob->lock);
  g_cond_clear(&blob->changed);
  g_free(blob);
}

void registry_blob_abandon(RegistryBlob *blob)
{
  g_atomic_int_set(&blob->abandoned, 1);
}

bool registry_blob_continued(const RegistryBlob *blob)
{
  return blob->found > 0;
}

/* LENGTH bytes more are in the file. */
static void count(RegistryBlob *blob, const void *data, size_t length)
{
  g_checksum_update(blob->checksum, data, (gssize)length);
  g_mutex_lock(&blob->lock);
  blob->have += (int64_t)length;
  g_cond_broadcast(&blob->changed);
  g_mutex_unlock(&blob->lock);
  if (blob->progress)
    blob->progress(blob->user, (int64_t)length);
}

/* A RegistryTake. A server that cannot begin in the middle sends again what is there: that is passed over. */
static bool take(void *user, const void *data, size_t length, int64_t at, GError **error)
{
  RegistryBlob *blob = user;
  const char *bytes = data;
  int64_t behind = blob->have - at;
  if (g_atomic_int_get(&blob->abandoned))
    return reason_set(error, REASON_INTERRUPTED, "context canceled");
  if (at < 0 || behind < 0)
    return reason_set(error, REASON_IMAGE_INVALID, "%s: the server sent another range than it was asked for",
                      blob->digest);
  if (behind >= (int64_t)length)
    return true;
  bytes += behind;
  length -= (size_t)behind;
  if (blob->have + (int64_t)length > blob->size)
    return reason_set(error, REASON_IMAGE_INVALID, "%s: longer than its %" G_GINT64_FORMAT " bytes", blob->digest,
                      blob->size);
  for (size_t done = 0; done < length;) {
    ssize_t put = pwrite(blob->fd, bytes + done, length - done, blob->have + (off_t)done);
    if (put < 0 && errno != EINTR)
      return reason_set_errno(error, errno == ENOSPC || errno == EDQUOT ? REASON_INSUFFICIENT_STORAGE : REASON_FILE,
                              errno, "Cannot write %s", blob->path);
    done += put > 0 ? (size_t)put : 0;
  }
  count(blob, bytes, length);
  return true;
}

/* Takes what was there already. */
static bool read_found(RegistryBlob *blob, GError **error)
{
  g_autofree guint8 *block = g_malloc(BLOCK_BYTES);
  while (blob->have < blob->found) {
    ssize_t got = pread(blob->fd, block, (size_t)MIN(blob->found - blob->have, (int64_t)BLOCK_BYTES), blob->have);
    if (got <= 0)
      return reason_set_errno(error, REASON_FILE, got < 0 ? errno : EIO, "Cannot read %s", blob->path);
    count(blob, block, (size_t)got);
  }
  return true;
}

/* Cut off, or nobody there: worth another try. */
static bool may_try_again(const GError *error)
{
  return reason_is(error, REASON_DOWNLOAD);
}

static bool fetch(RegistryBlob *blob, GError **error)
{
  g_autofree char *path = g_strdup_printf("/blobs/%s", blob->digest);
  blob->curl = curl_easy_init();
  for (unsigned idle = 0; blob->have < blob->size;) {
    g_autoptr(GError) failure = NULL;
    int64_t before = blob->have;
    RegistryRequest request = { .path = path, .from = before, .take = take, .user = blob, .curl = blob->curl };
    bool good = registry_http_request(blob->http, &request, &failure);
    if (blob->have == blob->size)
      break;
    idle = blob->have > before ? 0 : idle + 1;
    if ((!good && !may_try_again(failure)) || idle == TRIES_MAX) {
      if (good)
        return reason_set(error, REASON_DOWNLOAD, "failed to copy: %s: unexpected EOF", blob->digest);
      g_propagate_error(error, g_steal_pointer(&failure));
      return false;
    }
    if (idle && !registries_wait(blob->http->registries, FIRST_WAIT_S * (1 << (idle - 1))))
      return reason_set(error, REASON_INTERRUPTED, "context canceled");
  }
  return true;
}

static bool check_digest(const RegistryBlob *blob, GError **error)
{
  g_autofree char *found = g_strconcat("sha256:", g_checksum_get_string(blob->checksum), NULL);
  return g_str_equal(found, blob->digest) ||
         reason_set(error, REASON_IMAGE_INVALID, "unexpected commit digest %s, expected %s: failed precondition", found,
                    blob->digest);
}

static void *run(void *data)
{
  RegistryBlob *blob = data;
  GError *error = NULL;
  bool good = read_found(blob, &error) && fetch(blob, &error) && check_digest(blob, &error);
  if (!good && !reason_is(error, REASON_DOWNLOAD) && !reason_is(error, REASON_INTERRUPTED))
    unlink(blob->path); /* of no use, or no room for it */
  g_mutex_lock(&blob->lock);
  blob->ended = true;
  blob->error = error;
  g_cond_broadcast(&blob->changed);
  g_mutex_unlock(&blob->lock);
  return NULL;
}

void registry_blob_start(RegistryBlob *blob, RegistryHttp *http, BlobProgress progress, void *user)
{
  blob->http = http;
  blob->progress = progress;
  blob->user = user;
  blob->thread = g_thread_new("blob", run, blob);
}

ssize_t registry_blob_read(void *data, const void **block, GError **error)
{
  RegistryBlob *blob = data;
  g_mutex_lock(&blob->lock);
  while (blob->have == blob->position && !blob->ended)
    g_cond_wait(&blob->changed, &blob->lock);
  int64_t ready = blob->have - blob->position;
  GError *failure = blob->error ? g_error_copy(blob->error) : NULL;
  g_mutex_unlock(&blob->lock);
  *block = blob->block;
  if (failure) {
    g_propagate_error(error, failure);
    return -1;
  }
  if (ready == 0)
    return 0;
  ssize_t got = pread(blob->fd, blob->block, (size_t)MIN(ready, (int64_t)BLOCK_BYTES), blob->position);
  if (got <= 0) {
    reason_set_errno(error, REASON_FILE, got < 0 ? errno : EIO, "Cannot read a layer back");
    return -1;
  }
  blob->position += got;
  return got;
}

bool registry_blob_finish(RegistryBlob *blob, GError **error)
{
  if (blob->thread)
    g_thread_join(g_steal_pointer(&blob->thread));
  if (blob->error)
    g_propagate_error(error, g_error_copy(blob->error));
  return !blob->error;
}

void registry_blob_remove(const char *folder, const char *digest)
{
  g_autofree char *path = blob_path(folder, digest);
  unlink(path);
}
