#include "clusterd/node/native/crun.h"

#include <unistd.h>

#include "clusterd/node/native/command.h"

bool crun_run(const NativeRuntime *native, const char *verb, const char *option, const char *id, GError **error)
{
  g_autofree char *root = g_strdup_printf("--root=%s", native->crun_root);
  const char *const argv[] = { native->crun,       root, "--cgroup-manager=cgroupfs", verb, option ? option : id,
                               option ? id : NULL, NULL };
  return command_run(argv, error);
}

bool crun_delete(const NativeRuntime *native, const char *id, GError **error)
{
  g_autofree char *known = g_build_filename(native->crun_root, id, NULL);
  return access(known, F_OK) < 0 || crun_run(native, "delete", "--force", id, error);
}
