#include "clusterd/node/volumes/nfs_volume.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/command.h"
#include "clusterd/node/volumes/mounts.h"

#define HELPER "mount.nfs"

/* The caller frees. */
static char *make_device(const json_t *source)
{
  const char *server = json_str(source, "server", ""), *path = json_str(source, "path", "");
  bool bare_v6 = strchr(server, ':') && *server != '[';
  return g_strdup_printf(bare_v6 ? "[%s]:%s" : "%s:%s", server, path);
}

/* "ro,retry=0,nfsvers=4.2": the kubelet tries again by itself, and others should not wait for it. The caller frees. */
static char *make_options(const json_t *source, const json_t *options)
{
  g_autoptr(GString) text = g_string_new(json_flag(source, "readOnly", false) ? "ro," : "");
  g_string_append(text, "retry=0");
  size_t i;
  json_t *option;
  json_array_foreach (options, i, option)
    if (json_string_length(option) > 0)
      g_string_append_printf(text, ",%s", json_string_value(option));
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static bool run_helper(const json_t *source, const json_t *options, const char *path, GError **error)
{
  g_autofree char *program = g_find_program_in_path(HELPER);
  g_autofree char *device = make_device(source), *text = make_options(source, options);
  if (*device == '-' || *device == ':') /* would be read as an option */
    return reason_set(error, REASON_INVALID, "NFS server \"%s\" is not a host name", json_str(source, "server", ""));
  if (!program)
    return reason_set(error, REASON_INVALID,
                      "mount failed: NFS volumes need the program " HELPER " (package nfs-common), which this node "
                      "does not have");
  const char *argv[] = { program, device, path, "-o", text, NULL };
  g_autofree char *said = NULL;
  int status = command_run_heard(argv, &said, error);
  if (status <= 0)
    return status == 0;
  g_autofree char *how = status > 128 ? g_strdup_printf("signal: %s", g_strsignal(status - 128))
                                      : g_strdup_printf("exit status %d", status);
  return reason_set(error, REASON_INVALID,
                    "mount failed: %s\nMounting command: mount\nMounting arguments: -t nfs -o %s %s %s\nOutput: %s",
                    how, text, device, path, said);
}

char *nfs_volume_mount(const char *folder, const char *name, const json_t *source, const json_t *options,
                       GError **error)
{
  g_autofree char *path = g_build_filename(folder, "nfs", name, NULL);
  if (!mounts_is_point(path) && (!file_make_dirs(path, 0750, error) || !run_helper(source, options, path, error)))
    return NULL;
  return g_steal_pointer(&path);
}
