#include "bootstrap/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define CONNECT_TIMEOUT_S 30L
#define STALL_SECONDS 60L /* without a byte */
#define STALL_BYTES 1L

typedef CURL CurlHandle;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CurlHandle, curl_easy_cleanup)

typedef struct Transfer {
  const char *url;
  int64_t max, already; /* bytes; ALREADY were there before */
  Progress *progress;
  int fd;             /* of a file … */
  GByteArray *memory; /* … or bytes */
  int write_errno;
  bool too_large;
} Transfer;

static size_t take_bytes(char *data, size_t one, size_t count, void *user)
{
  Transfer *transfer = user;
  if (transfer->memory) {
    transfer->too_large = transfer->memory->len + count > (gsize)transfer->max;
    if (!transfer->too_large)
      g_byte_array_append(transfer->memory, (const guint8 *)data, (guint)count);
    return transfer->too_large ? 0 : count;
  }
  for (size_t done = 0; done < count;) {
    ssize_t put = write(transfer->fd, data + done, count - done);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0) {
      transfer->write_errno = errno;
      return 0;
    }
    done += (size_t)put;
  }
  return count;
}

static int take_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
  Transfer *transfer = user;
  transfer->too_large = transfer->already + MAX(total, now) > transfer->max;
  if (transfer->progress)
    transfer->progress->download(transfer->progress, transfer->url, transfer->already + now,
                                 total ? transfer->already + total : 0);
  return transfer->too_large;
}

static bool set_error(const Transfer *transfer, CURLcode code, long status, const char *text, GError **error)
{
  if (transfer->too_large)
    return reason_set(error, REASON_DOWNLOAD, "%s: larger than %lld bytes", transfer->url, (long long)transfer->max);
  if (transfer->write_errno)
    return reason_set_errno(
        error,
        transfer->write_errno == ENOSPC || transfer->write_errno == EDQUOT ? REASON_INSUFFICIENT_STORAGE : REASON_FILE,
        transfer->write_errno, "Cannot store %s", transfer->url);
  if (status == 404 || code == CURLE_FILE_COULDNT_READ_FILE)
    return reason_set(error, REASON_DOWNLOAD_NOT_FOUND, "%s: not found", transfer->url);
  if (code == CURLE_OPERATION_TIMEDOUT)
    return reason_set(error, REASON_DOWNLOAD_TIMEOUT, "%s: %s", transfer->url, text);
  if (status >= 400)
    return reason_set(error, REASON_DOWNLOAD, "%s: the server answered %ld", transfer->url, status);
  return reason_set(error, REASON_DOWNLOAD, "%s: %s", transfer->url, text);
}

static CURL *new_handle(Transfer *transfer, char *text)
{
  CURL *curl = curl_easy_init();
  g_assert(curl);
  curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "launcher");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_SECONDS);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, take_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  return curl;
}

/* One request. *RANGE_REFUSED when the server cannot continue where we stopped. */
static bool perform(Transfer *transfer, bool *range_refused, GError **error)
{
  char text[CURL_ERROR_SIZE] = "";
  g_autoptr(CurlHandle) curl = new_handle(transfer, text);
  long status = 0;
  if (transfer->already > 0)
    curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)transfer->already);
  CURLcode code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  *range_refused =
      transfer->already > 0 && (code == CURLE_RANGE_ERROR || code == CURLE_BAD_DOWNLOAD_RESUME || status == 416);
  if (code == CURLE_OK)
    return true;
  return set_error(transfer, code, status, *text ? text : curl_easy_strerror(code), error);
}

bool download_file(const char *url, const char *path, int64_t max, Progress *progress, GError **error)
{
  file_autofd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot write %s", path);
  g_autoptr(GError) inner = NULL;
  Transfer transfer = { .url = url, .max = max, .progress = progress, .fd = fd };
  bool range_refused;
  transfer.already = lseek(fd, 0, SEEK_END);
  if (perform(&transfer, &range_refused, &inner))
    return true;
  if (!range_refused) {
    g_propagate_error(error, g_steal_pointer(&inner));
    return false;
  }
  transfer.already = 0;
  if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
    return reason_set_errno(error, REASON_FILE, errno, "Cannot write %s", path);
  return perform(&transfer, &range_refused, error);
}

GBytes *download_bytes(const char *url, gsize max, GError **error)
{
  g_autoptr(GByteArray) memory = g_byte_array_new();
  Transfer transfer = { .url = url, .max = (int64_t)max, .fd = -1, .memory = memory };
  bool range_refused;
  if (!perform(&transfer, &range_refused, error))
    return NULL;
  return g_byte_array_free_to_bytes(g_steal_pointer(&memory));
}
