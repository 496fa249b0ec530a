#include "driver/machine_folder.h"

#include <string.h>
#include <sys/un.h>

char *machine_name(const MachineSpec *spec)
{
  return g_strconcat("launcher-", spec->profile, NULL);
}

char *machine_disk_path(const MachineSpec *spec)
{
  return g_build_filename(spec->directory, "data.qcow2", NULL);
}

char *machine_console_path(const MachineSpec *spec)
{
  return g_build_filename(spec->directory, "console.log", NULL);
}

char *machine_events_socket(const MachineSpec *spec)
{
  char *path = g_build_filename(spec->directory, "events.sock", NULL);
  if (strlen(path) < sizeof((struct sockaddr_un *)NULL)->sun_path)
    return path;
  g_free(path);
  g_autofree char *name = g_strdup_printf("launcher-%s.sock", spec->uuid);
  return g_build_filename(g_get_user_runtime_dir(), name, NULL);
}
