#include "driver/program.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/reason.h"

#define STDERR_SHOWN_MAX 2000 /* bytes of a failed program's talk that an error repeats */

char *program_path(const char *name)
{
  static const char *const FOLDERS[] = { "/usr/sbin", "/sbin", "/usr/libexec" };
  char *found = g_find_program_in_path(name);
  for (size_t i = 0; !found && i < G_N_ELEMENTS(FOLDERS); i++) {
    g_autofree char *path = g_build_filename(FOLDERS[i], name, NULL);
    if (access(path, X_OK) == 0)
      found = g_steal_pointer(&path);
  }
  return found;
}

static void cut_talk(char *talk)
{
  g_strstrip(talk);
  if (strlen(talk) > STDERR_SHOWN_MAX)
    talk[STDERR_SHOWN_MAX] = '\0';
}

bool program_run(const char *const *argv, GError **error)
{
  return program_run_after(argv, NULL, error);
}

bool program_run_after(const char *const *argv, void (*setup)(void *), GError **error)
{
  g_autofree char *path = program_path(argv[0]);
  if (!path)
    return reason_set(error, REASON_PROVIDER_NOT_FOUND, "The program %s is not installed", argv[0]);
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  g_strv_builder_add(builder, path);
  for (size_t i = 1; argv[i]; i++)
    g_strv_builder_add(builder, argv[i]);
  g_auto(GStrv) words = g_strv_builder_end(builder);

  int status;
  g_autofree char *talk = NULL;
  g_autoptr(GError) problem = NULL;
  /* Without SETUP GLib starts it by posix_spawn(3): no copy of our address space, safe with threads.
   */
  if (!g_spawn_sync(NULL, words, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, setup, NULL, NULL, &talk, &status, &problem))
    return reason_set(error, REASON_DRIVER, "Cannot run %s: %s", argv[0], problem->message);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return true;
  cut_talk(talk);
  return reason_set(error, REASON_DRIVER, "%s failed: %s", argv[0], *talk ? talk : "it said nothing");
}
