#include "clusterd/store_cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reason.h"
#include "clusterd/store/sqlite_backup.h"

#define DATA_DIR "/var/lib/launcher"
#define STORE_NAME "cluster.db"

static const char usage[] = "Usage: clusterd store [--data-dir DIR] backup FILE\n"
                            "       clusterd store [--data-dir DIR] restore FILE\n"
                            "       clusterd store [--data-dir DIR] check [FILE]\n"
                            "Copies and checks of the cluster's store, DIR/" STORE_NAME ".\n\n"
                            "  backup FILE     write what the store holds now to FILE, also while the server runs\n"
                            "  restore FILE    put a backup in the store's place; what was there is kept beside it\n"
                            "  check [FILE]    read the whole store, or a backup, and say whether it is whole\n"
                            "  --data-dir DIR  where the store is (default " DATA_DIR ")\n"
                            "  --help          print this help and exit\n";

static void print_summary(const char *path, const StoreSummary *summary)
{
  g_autofree char *size = g_format_size((guint64)summary->bytes);
  printf("%s: %" G_GINT64_FORMAT " objects, revision %" G_GINT64_FORMAT ", %s\n", path, summary->objects,
         summary->revision, size);
}

static bool run_backup(const char *store, const char *file, GError **error)
{
  StoreSummary summary = { 0 };
  if (!sqlite_store_backup(store, file, &summary, error))
    return false;
  print_summary(file, &summary);
  return true;
}

static bool run_restore(const char *store, const char *file, GError **error)
{
  StoreSummary summary = { 0 };
  g_autofree char *kept = NULL;
  if (!sqlite_store_restore(store, file, &kept, &summary, error))
    return false;
  print_summary(store, &summary);
  if (kept)
    printf("%s: what was there before\n", kept);
  return true;
}

static bool run_check(const char *store, const char *file, GError **error)
{
  StoreSummary summary = { 0 };
  const char *path = file ? file : store;
  if (!sqlite_store_check(path, &summary, error))
    return false;
  print_summary(path, &summary);
  return true;
}

static const struct {
  const char *name;
  bool needs_file;
  bool (*run)(const char *store, const char *file, GError **error);
} verbs[] = { { "backup", true, run_backup }, { "restore", true, run_restore }, { "check", false, run_check } };

static int fail(const GError *error)
{
  fprintf(stderr, "clusterd store: %s\n", error->message);
  return reason_info((int)reason_of(error))->exit_code;
}

static int run(const char *data_dir, int count, char **words)
{
  g_autofree char *store = g_build_filename(data_dir, STORE_NAME, NULL);
  g_autoptr(GError) error = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
    if (count > 0 && count <= 2 && g_str_equal(words[0], verbs[i].name) && (count == 2 || !verbs[i].needs_file))
      return verbs[i].run(store, count == 2 ? words[1] : NULL, &error) ? EXIT_SUCCESS : fail(error);
  fputs(usage, stderr);
  return reason_info(REASON_USAGE)->exit_code;
}

int store_cli_main(int argc, char **argv)
{
  static const struct option longs[] = { { "data-dir", required_argument, NULL, 'd' },
                                         { "help", no_argument, NULL, 'h' },
                                         { NULL, 0, NULL, 0 } };
  const char *data_dir = DATA_DIR;
  int option;
  while ((option = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
    switch (option) {
    case 'd':
      data_dir = optarg;
      break;
    case 'h':
      fputs(usage, stdout);
      return EXIT_SUCCESS;
    default:
      fputs(usage, stderr);
      return reason_info(REASON_USAGE)->exit_code;
    }
  }
  return run(data_dir, argc - optind, argv + optind);
}
