/* Logs in several files: rotation, and what is read across it. */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "clusterd/node/logs/log_files.h"
#include "clusterd/node/logs/log_reader.h"
#include "clusterd/node/logs/log_rotation.h"

#define WAIT_SECONDS 20
#define wait_until(condition)                                                                                          \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    gint64 end_ = g_get_monotonic_time() + WAIT_SECONDS * G_USEC_PER_SEC;                                              \
    bool met_;                                                                                                         \
    while (!(met_ = (condition)) && g_get_monotonic_time() < end_)                                                     \
      g_usleep(500);                                                                                                   \
    if (!met_)                                                                                                         \
      g_error("line %d: %s", __LINE__, #condition);                                                                    \
  }                                                                                                                    \
  G_STMT_END

/* A log and what writes it, as conmon does: on demand it goes on in a new file, moved into place. */
typedef struct Writer {
  Runtime runtime; /* first */
  char *folder, *path;
  GMutex lock; /* guards fd */
  int fd;
  unsigned line;
  gint reopened;
  bool refuses;
} Writer;

static void open_new(Writer *writer)
{
  g_autofree char *part = g_strconcat(writer->path, ".tmp", NULL);
  file_close(&writer->fd);
  writer->fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  g_assert_cmpint(writer->fd, >=, 0);
  g_assert_cmpint(rename(part, writer->path), ==, 0);
}

static bool reopen_log(Runtime *runtime, const char *container_id, GError **error)
{
  Writer *writer = (Writer *)runtime;
  g_assert_cmpstr(container_id, ==, "c1");
  if (writer->refuses && g_atomic_int_add(&writer->reopened, 1) >= 0)
    return reason_set(error, REASON_RUNTIME, "nobody listens");
  g_mutex_lock(&writer->lock);
  open_new(writer);
  g_mutex_unlock(&writer->lock);
  g_atomic_int_inc(&writer->reopened);
  return true;
}

static void writer_init(Writer *writer)
{
  *writer = (Writer){ .runtime.reopen_log = reopen_log, .fd = -1 };
  g_mutex_init(&writer->lock);
  writer->folder = g_dir_make_tmp("logs-XXXXXX", NULL);
  writer->path = g_build_filename(writer->folder, "0.log", NULL);
  open_new(writer);
}

static void writer_clear(Writer *writer)
{
  file_close(&writer->fd);
  g_assert_true(file_remove_tree(writer->folder, NULL));
  g_free(writer->folder);
  g_free(writer->path);
  g_mutex_clear(&writer->lock);
}

/* Appends N lines, each the next number, at once; a second passes with each. */
static void append(Writer *writer, unsigned n)
{
  g_autoptr(GString) text = g_string_new(NULL);
  for (unsigned i = 0; i < n; i++) {
    unsigned number = writer->line++;
    g_string_append_printf(text, "2026-11-23T10:%02u:%02u.0+00:00 stdout F line %u\n", number / 60 % 60, number % 60,
                           number);
  }
  g_mutex_lock(&writer->lock);
  g_assert_cmpint(write(writer->fd, text->str, text->len), ==, (ssize_t)text->len);
  g_mutex_unlock(&writer->lock);
}

static void rotate_by_hand(Writer *writer)
{
  g_autofree char *name = log_files_rotated_name(writer->path, g_get_real_time());
  g_assert_cmpint(rename(writer->path, name), ==, 0);
  g_assert_true(reopen_log(&writer->runtime, "c1", NULL));
}

static guint rotated(const Writer *writer)
{
  g_autoptr(GPtrArray) files = log_files_rotated(writer->path);
  return files->len;
}

static char *read_log(const char *path, const LogOptions *options)
{
  g_autoptr(GError) error = NULL;
  GString *text = g_string_new(NULL);
  file_autofd int fd = log_reader_open(path, options, NULL, NULL, NULL, &error);
  char buffer[512];
  ssize_t n;
  g_assert_no_error(error);
  while ((n = read(fd, buffer, sizeof buffer)) > 0)
    g_string_append_len(text, buffer, n);
  return g_string_free(text, FALSE);
}

static char *lines(unsigned from, unsigned to)
{
  GString *text = g_string_new(NULL);
  for (unsigned i = from; i < to; i++)
    g_string_append_printf(text, "line %u\n", i);
  return g_string_free(text, FALSE);
}

/* Three files of 10 lines and 5 in the one that is written. */
static void test_chain(void)
{
  Writer writer;
  writer_init(&writer);
  for (int i = 0; i < 3; i++) {
    append(&writer, 10);
    rotate_by_hand(&writer);
  }
  append(&writer, 5);
  for (unsigned tail = 0; tail < 40; tail++) {
    LogOptions options = { .tail_lines = tail, .limit_bytes = -1, .since_us = -1 };
    g_autofree char *text = read_log(writer.path, &options);
    g_autofree char *wanted = lines(tail < 35 ? 35 - tail : 0, 35);
    g_assert_cmpstr(text, ==, wanted);
  }
  LogOptions all = { .tail_lines = -1, .limit_bytes = -1, .since_us = -1 };
  g_autofree char *text = read_log(writer.path, &all);
  g_autofree char *wanted = lines(0, 35);
  g_assert_cmpstr(text, ==, wanted);
  LogOptions since = { .tail_lines = -1, .limit_bytes = -1, .since_us = 1795428000000000 + 25 * G_USEC_PER_SEC };
  g_autofree char *late = read_log(writer.path, &since);
  g_autofree char *last = lines(25, 35);
  g_assert_cmpstr(late, ==, last);
  LogOptions limit = { .tail_lines = 12, .limit_bytes = 20, .since_us = -1 };
  g_autofree char *cut = read_log(writer.path, &limit);
  g_assert_cmpstr(cut, ==, "line 23\nline 24\nline");
  LogOptions stamps = { .tail_lines = 6, .limit_bytes = 44, .since_us = -1, .timestamps = true };
  g_autofree char *stamped = read_log(writer.path, &stamps);
  g_assert_cmpstr(stamped, ==, "2026-11-23T10:00:29.0Z line 29\n2026-11-23T10");
  g_autofree char *words = log_reader_tail(writer.path, 7, 1000);
  g_autofree char *seven = lines(28, 35);
  g_assert_cmpstr(words, ==, seven);
  log_files_prune(writer.path, 1);
  g_assert_cmpuint(rotated(&writer), ==, 1);
  g_autofree char *rest = read_log(writer.path, &all);
  g_autofree char *kept = lines(20, 35);
  g_assert_cmpstr(rest, ==, kept);
  log_files_remove(writer.path);
  g_autoptr(GDir) dir = g_dir_open(writer.folder, 0, NULL);
  g_assert_null(g_dir_read_name(dir));
  writer_clear(&writer);
}

/* The order of names is the order of rotation, however the clock is set; other files are none of ours. */
static void test_names(void)
{
  Writer writer;
  writer_init(&writer);
  g_autofree char *first = log_files_rotated_name(writer.path, 1795428000000000);
  g_assert_true(g_str_has_suffix(first, "/0.log.20261123-100000.000000"));
  g_assert_true(g_file_set_contents(first, "", 0, NULL));
  g_autofree char *second = log_files_rotated_name(writer.path, 1795428000000000 - G_USEC_PER_SEC);
  g_assert_true(g_str_has_suffix(second, "/0.log.20261123-100000.000001"));
  static const char *const others[] = { "0.log.tmp", "10.log", "0.log.20261123-100000.00000x", "1.log",
                                        "0.log.20261123-100000" };
  for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
    g_autofree char *path = g_build_filename(writer.folder, others[i], NULL);
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
  }
  g_assert_cmpuint(rotated(&writer), ==, 1);
  writer_clear(&writer);
}

static bool is_set(void *data)
{
  return g_atomic_int_get((gint *)data);
}

typedef struct Reading {
  int fd;
  GString *text;
} Reading;

static void *read_on(void *data)
{
  Reading *reading = data;
  char buffer[512];
  ssize_t n;
  while ((n = read(reading->fd, buffer, sizeof buffer)) > 0)
    g_string_append_len(reading->text, buffer, n);
  return NULL;
}

/* Writes while it is rotated as fast as can be: a reader that follows sees every line once, in order. */
static void test_follow(void)
{
  static gint alive = 1;
  Writer writer;
  writer_init(&writer);
  LogLimits limits = { .size = 2000, .files = 1000, .interval_us = 1000 };
  LogRotation *rotation = log_rotation_new(&writer.runtime, &limits);
  LogOptions options = { .follow = true, .tail_lines = -1, .limit_bytes = -1, .since_us = -1 };
  append(&writer, 10);
  Reading reading = { log_reader_open(writer.path, &options, is_set, &alive, NULL, NULL), g_string_new(NULL) };
  GThread *thread = g_thread_new("read", read_on, &reading);
  log_rotation_watch(rotation, "c1", writer.path);
  while (g_atomic_int_get(&writer.reopened) < 20) {
    append(&writer, 50);
    g_usleep(200);
  }
  log_rotation_forget(rotation, "c1");
  log_rotation_free(rotation);
  g_atomic_int_set(&alive, 0);
  g_thread_join(thread);
  g_autofree char *wanted = lines(0, writer.line);
  g_assert_cmpuint(rotated(&writer), >=, 20);
  g_assert_cmpstr(reading.text->str, ==, wanted);
  g_string_free(reading.text, TRUE);
  file_close(&reading.fd);
  writer_clear(&writer);
}

/* No more files than allowed, none much larger than allowed; a log that was too large from the start is seen to. */
static void test_bounds(void)
{
  Writer writer;
  writer_init(&writer);
  append(&writer, 100);
  LogLimits limits = { .size = 1000, .files = 3, .interval_us = 1000 };
  LogRotation *rotation = log_rotation_new(&writer.runtime, &limits);
  log_rotation_watch(rotation, "c1", writer.path);
  log_rotation_watch(rotation, "c1", writer.path); /* as every look of the pod's worker does */
  wait_until(g_atomic_int_get(&writer.reopened) == 1);
  for (gint i = 1; i < 6; i++) {
    append(&writer, 30);
    wait_until(g_atomic_int_get(&writer.reopened) == i + 1);
  }
  append(&writer, 3); /* too little */
  g_assert_cmpuint(rotated(&writer), ==, 2);
  LogOptions all = { .tail_lines = -1, .limit_bytes = -1, .since_us = -1 };
  g_autofree char *text = read_log(writer.path, &all);
  g_autofree char *wanted = lines(writer.line - 63, writer.line);
  g_assert_cmpstr(text, ==, wanted);
  log_rotation_free(rotation);
  writer_clear(&writer);
}

/* Nobody begins a new log: the old one goes on under its name. */
static void test_refused(void)
{
  Writer writer;
  writer_init(&writer);
  writer.refuses = true;
  append(&writer, 100);
  LogLimits limits = { .size = 1000, .files = 3, .interval_us = 1000 };
  LogRotation *rotation = log_rotation_new(&writer.runtime, &limits);
  log_rotation_watch(rotation, "c1", writer.path);
  append(&writer, 10);
  wait_until(g_atomic_int_get(&writer.reopened) >= 2); /* it is tried again */
  log_rotation_free(rotation);
  g_assert_cmpuint(rotated(&writer), ==, 0);
  LogOptions all = { .tail_lines = -1, .limit_bytes = -1, .since_us = -1 };
  g_autofree char *text = read_log(writer.path, &all);
  g_autofree char *wanted = lines(0, 110);
  g_assert_cmpstr(text, ==, wanted);
  writer_clear(&writer);
}

#define DOCKER_ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* dockerd's folder of one container in FOLDER, with what it rotated, and LINK to its log. */
static void write_docker_log(const char *folder, const char *link)
{
  static const char *const files[][2] = {
    { "-json.log.10", "{\"log\":\"one\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-23T10:00:00.000000001Z\"}\n" },
    { "-json.log.2", "{\"log\":\"two \",\"stream\":\"stderr\",\"time\":\"2026-11-23T10:00:01Z\"}\n" },
    { "-json.log.1", "{\"log\":\"goes on\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-23T10:00:01.5Z\"}\n" },
    { "-json.log", "{\"log\":\"\\u003ctab\\t\\u003e\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-23T10:00:02Z\"}\n{"
                   "\"log\":\"torn" }
  };
  g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = g_strconcat(folder, "/" DOCKER_ID, files[i][0], NULL);
    g_assert_true(g_file_set_contents(path, files[i][1], -1, NULL));
  }
  g_autofree char *target = g_strconcat(folder, "/" DOCKER_ID "-json.log", NULL);
  g_assert_cmpint(symlink(target, link), ==, 0);
}

/* dockerd's own log behind a link: its form, its rotated files, the highest number first; no other link is followed. */
static void test_docker(void)
{
  LogOptions all = { .tail_lines = -1, .limit_bytes = -1, .since_us = -1 };
  g_autofree char *top = g_dir_make_tmp("logs-XXXXXX", NULL), *link = g_build_filename(top, "0.log", NULL);
  g_autofree char *folder = g_build_filename(top, DOCKER_ID, NULL), *other = g_build_filename(top, "1.log", NULL);
  write_docker_log(folder, link);
  g_autofree char *text = read_log(link, &all);
  g_assert_cmpstr(text, ==, "one\ntwo goes on\n<tab\t>\n");
  LogOptions stamps = { .tail_lines = -1, .limit_bytes = -1, .since_us = -1, .timestamps = true };
  g_autofree char *stamped = read_log(link, &stamps);
  g_assert_cmpstr(stamped, ==,
                  "2026-11-23T10:00:00.000000001Z one\n2026-11-23T10:00:01Z two goes on\n"
                  "2026-11-23T10:00:02Z <tab\t>\n");
  LogOptions last = { .tail_lines = 1, .limit_bytes = -1, .since_us = -1 };
  g_autofree char *tail = read_log(link, &last);
  g_assert_cmpstr(tail, ==, "<tab\t>\n");
  g_autofree char *where = log_files_folder(link);
  g_assert_cmpstr(where, ==, folder);
  g_autofree char *secret = g_build_filename(top, "secret", NULL);
  g_assert_true(g_file_set_contents(secret, "2026-11-23T10:00:00Z stdout F secret\n", -1, NULL));
  g_assert_cmpint(symlink(secret, other), ==, 0);
  g_autofree char *nothing = read_log(other, &all);
  g_assert_cmpstr(nothing, ==, "");
  log_files_prune(link, 0);
  log_files_remove(link);
  g_assert_false(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
  g_autofree char *kept = g_strconcat(folder, "/" DOCKER_ID "-json.log.10", NULL);
  g_assert_true(g_file_test(kept, G_FILE_TEST_EXISTS));
  g_assert_true(file_remove_tree(top, NULL));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/logs/chain", test_chain);
  g_test_add_func("/logs/names", test_names);
  g_test_add_func("/logs/follow", test_follow);
  g_test_add_func("/logs/bounds", test_bounds);
  g_test_add_func("/logs/refused", test_refused);
  g_test_add_func("/logs/docker", test_docker);
  return g_test_run();
}
