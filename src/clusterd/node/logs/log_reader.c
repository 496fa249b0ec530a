#include "clusterd/node/logs/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/logs/log_files.h"
#include "clusterd/node/logs/log_line.h"

#define READ_SIZE 65536
#define CHAIN_MAX 64              /* files of one log that --tail looks back through */
#define LINE_MAX_BYTES (1u << 20) /* longer lines are cut: conmon splits at 8 KiB */

typedef struct LogReader {
  char *path;
  LogOptions options;
  LogAlive alive;
  void *data;
  GDestroyNotify release;
  int out;          /* our end of a socket pair */
  int64_t left;     /* bytes that may still be written; -1: any number */
  bool in_line;     /* the last piece was partial: no timestamp before the next */
  GString *pending; /* an unfinished line */
} LogReader;

/* False when nobody reads any more or the limit is reached. */
static bool emit(LogReader *reader, const char *bytes, gsize length)
{
  if (reader->left >= 0)
    length = MIN(length, (gsize)reader->left);
  while (length > 0) {
    ssize_t n = send(reader->out, bytes, length, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return false;
    bytes += n;
    length -= (gsize)n;
    if (reader->left >= 0)
      reader->left -= n;
  }
  return reader->left != 0;
}

/* As upstream writes it: UTC is Z. */
static bool emit_time(LogReader *reader, const char *time, gsize length)
{
  static const char utc[] = "+00:00";
  gsize offset = sizeof utc - 1;
  bool is_utc = length > offset && memcmp(time + length - offset, utc, offset) == 0;
  return emit(reader, time, is_utc ? length - offset : length) && emit(reader, is_utc ? "Z " : " ", is_utc ? 2 : 1);
}

static bool emit_text(LogReader *reader, const LogLine *line)
{
  if (reader->options.since_us >= 0 && line->time_us < reader->options.since_us)
    return true;
  if (reader->options.timestamps && !reader->in_line && !emit_time(reader, line->time, line->time_length))
    return false;
  reader->in_line = line->partial;
  return emit(reader, line->text, line->text_length) && (line->partial || emit(reader, "\n", 1));
}

static bool emit_line(LogReader *reader, const char *bytes, gsize length)
{
  LogLine line;
  if (!log_line_read(bytes, length, &line))
    return true; /* torn by a crash */
  bool go_on = emit_text(reader, &line);
  log_line_clear(&line);
  return go_on;
}

/* Hands on the complete lines of PENDING and BYTES. */
static bool take(LogReader *reader, const char *bytes, gsize length)
{
  while (length > 0) {
    const char *newline = memchr(bytes, '\n', length);
    gsize piece = newline ? (gsize)(newline - bytes) : length;
    if (reader->pending->len + piece <= LINE_MAX_BYTES)
      g_string_append_len(reader->pending, bytes, (gssize)piece);
    if (!newline)
      return true;
    bool go_on = emit_line(reader, reader->pending->str, reader->pending->len);
    g_string_truncate(reader->pending, 0);
    if (!go_on)
      return false;
    bytes += piece + 1;
    length -= piece + 1;
  }
  return true;
}

/* Where the last *LINES lines of the file begin; *LINES becomes what is wanted of the file before it. */
static off_t tail_offset(int fd, int64_t *lines)
{
  struct stat info;
  if (fstat(fd, &info) != 0)
    return 0;
  off_t at = info.st_size;
  int64_t found = -1, wanted = *lines; /* the newline at the very end closes the last line */
  *lines = 0;
  g_autofree char *buffer = g_malloc(READ_SIZE);
  while (at > 0) {
    gsize piece = (gsize)MIN(at, READ_SIZE);
    ssize_t n = pread(fd, buffer, piece, at - (off_t)piece);
    if (n != (ssize_t)piece)
      return 0;
    for (gsize i = piece; i > 0; i--)
      if (buffer[i - 1] == '\n' && ++found >= wanted)
        return at - (off_t)piece + (off_t)i;
    at -= (off_t)piece;
  }
  *lines = wanted - (found + 1);
  return 0;
}

/* The file in which the last LINES lines begin, at that place; takes FD, the oldest. */
static int seek_tail(const char *path, int fd, int64_t lines)
{
  int chain[CHAIN_MAX] = { fd };
  int length = 1, next;
  while (length < CHAIN_MAX && (next = log_files_open_next(path, chain[length - 1])) >= 0)
    chain[length++] = next;
  while (lseek(chain[length - 1], tail_offset(chain[length - 1], &lines), SEEK_SET) == 0 && lines > 0 && length > 1)
    file_close(&chain[--length]);
  for (int i = 0; i < length - 1; i++)
    file_close(&chain[i]);
  return chain[length - 1];
}

static bool drain(LogReader *reader, int fd)
{
  g_autofree char *buffer = g_malloc(READ_SIZE);
  for (;;) {
    ssize_t n = read(fd, buffer, READ_SIZE);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n == 0;
    if (!take(reader, buffer, (gsize)n))
      return false;
  }
}

/* Waits until the log may have more. False when the reader of our output is gone. */
static bool wait_for_more(const LogReader *reader, int notify)
{
  struct pollfd fds[] = { { .fd = notify, .events = POLLIN }, { .fd = reader->out, .events = POLLRDHUP } };
  char events[4096];
  /* The container's end is no change of its log: look once a second whether it still lives. */
  while (poll(fds, G_N_ELEMENTS(fds), 1000) < 0)
    if (errno != EINTR)
      return false;
  if (fds[0].revents && read(notify, events, sizeof events) < 0)
    return false;
  return !(fds[1].revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static int open_log(const LogReader *reader, int notify)
{
  g_autofree char *dir = log_files_folder(reader->path);
  if (notify >= 0)
    inotify_add_watch(notify, dir, IN_CREATE | IN_MOVED_TO);
  int fd = log_files_open_oldest(reader->path);
  while (fd < 0 && notify >= 0 && reader->alive && reader->alive(reader->data)) {
    if (!wait_for_more(reader, notify))
      break;
    g_free(dir);
    dir = log_files_folder(reader->path);
    inotify_add_watch(notify, dir, IN_CREATE | IN_MOVED_TO); /* the folder may have come only now */
    fd = log_files_open_oldest(reader->path);
  }
  return fd;
}

static void watch_log(int notify, int fd)
{
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd); /* whatever its name is by now */
  if (notify >= 0)
    inotify_add_watch(notify, path, IN_MODIFY);
}

static void follow(LogReader *reader)
{
  file_autofd int notify = reader->options.follow ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK) : -1;
  file_autofd int fd = open_log(reader, notify);
  if (fd < 0 || reader->left == 0)
    return;
  if (reader->options.tail_lines >= 0)
    fd = seek_tail(reader->path, fd, reader->options.tail_lines);
  watch_log(notify, fd);
  for (;;) {
    bool alive = notify >= 0 && reader->alive && reader->alive(reader->data);
    if (!drain(reader, fd))
      return;
    file_autofd int next = log_files_open_next(reader->path, fd);
    if (next >= 0) {
      if (!drain(reader, fd)) /* what came until the writer let go of it */
        return;
      file_close(&fd);
      fd = next;
      next = -1;
      watch_log(notify, fd);
    } else if (!alive || !wait_for_more(reader, notify)) {
      return;
    }
  }
}

static void reader_free(LogReader *reader)
{
  file_close(&reader->out);
  if (reader->release)
    reader->release(reader->data);
  g_string_free(reader->pending, TRUE);
  g_free(reader->path);
  g_free(reader);
}

static void *run(void *data)
{
  LogReader *reader = data;
  follow(reader);
  reader_free(reader);
  return NULL;
}

int log_reader_open(const char *path, const LogOptions *options, LogAlive alive, void *data, GDestroyNotify release,
                    GError **error)
{
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    reason_set_errno(error, REASON_FILE, errno, "socketpair");
    if (release)
      release(data);
    return -1;
  }
  LogReader *reader = g_new0(LogReader, 1);
  *reader = (LogReader){ .path = g_strdup(path),
                         .options = *options,
                         .alive = alive,
                         .data = data,
                         .release = release,
                         .out = pair[1],
                         .left = options->limit_bytes,
                         .pending = g_string_new(NULL) };
  g_thread_unref(g_thread_new("logs", run, reader));
  return pair[0];
}

char *log_reader_tail(const char *path, unsigned lines, gsize max)
{
  LogOptions options = { .tail_lines = lines, .limit_bytes = -1, .since_us = -1 };
  g_autoptr(GString) text = g_string_new(NULL);
  file_autofd int fd = log_reader_open(path, &options, NULL, NULL, NULL, NULL);
  char buffer[4096];
  ssize_t n;
  while (fd >= 0 && (n = read(fd, buffer, sizeof buffer)) > 0) {
    g_string_append_len(text, buffer, n);
    if (text->len > max)
      g_string_erase(text, 0, (gssize)(text->len - max));
  }
  return g_utf8_make_valid(text->str, (gssize)text->len);
}
