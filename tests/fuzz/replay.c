/* Runs a fuzz target over the inputs in its corpus folder, as a plain test: `make check` needs no fuzzing engine.
 * The folder is tests/fuzz/corpus/NAME for the program fuzz-NAME, or the first argument. Each input is also tried cut
 * short at every length up to a limit, which is where parsers read past the end. */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CUTS_MAX = 2048 };

/* The target reads from an allocation of exactly SIZE bytes, so that a sanitizer sees every byte too far. */
static void run_one(const char *data, gsize size)
{
  g_autofree uint8_t *copy = g_malloc(MAX(size, 1));
  if (size > 0)
    memcpy(copy, data, size);
  LLVMFuzzerTestOneInput(copy, size);
}

static void run_file(const char *path)
{
  g_autofree char *data = NULL;
  gsize size;
  if (!g_file_get_contents(path, &data, &size, NULL))
    g_error("cannot read %s", path);
  for (gsize cut = 0; cut <= MIN(size, CUTS_MAX); cut++)
    run_one(data, cut);
  run_one(data, size);
}

int main(int argc, char **argv)
{
  g_autofree char *program = g_path_get_basename(argv[0]);
  const char *name = strstr(program, "fuzz-"), *source = g_getenv("G_TEST_SRCDIR");
  g_autofree char *folder = argc > 1 ? g_strdup(argv[1])
                                     : g_build_filename(source ? source : ".", "tests/fuzz/corpus",
                                                        name ? name + strlen("fuzz-") : program, NULL);
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  unsigned n = 0;
  for (const char *entry; dir && (entry = g_dir_read_name(dir)); n++) {
    g_autofree char *path = g_build_filename(folder, entry, NULL);
    run_file(path);
    printf("ok %u - %s\n", n + 1, entry);
  }
  if (n == 0)
    printf("not ok 1 - no inputs in %s\n", folder);
  printf("1..%u\n", MAX(n, 1));
  return n == 0;
}
