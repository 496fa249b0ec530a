#include "launcher/ssh_command.h"

#include "bootstrap/machine.h"

GPtrArray *ssh_command(const Home *home, const Profile *profile, const char *user)
{
  GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *key = home_profile_file(home, profile->name, "ssh/id_ed25519");
  g_autofree char *known = home_profile_file(home, profile->name, "ssh/known_hosts");
  const char *fixed[] = { "ssh",
                          "-F",
                          "/dev/null",
                          "-o",
                          "IdentitiesOnly=yes",
                          "-o",
                          "StrictHostKeyChecking=yes",
                          "-o",
                          "PasswordAuthentication=no",
                          "-o",
                          "LogLevel=ERROR",
                          "-o",
                          "ConnectTimeout=20" };
  for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++)
    g_ptr_array_add(argv, g_strdup(fixed[i]));
  g_ptr_array_add(argv, g_strdup("-o"));
  g_ptr_array_add(argv, g_strdup_printf("UserKnownHostsFile=%s", known));
  g_ptr_array_add(argv, g_strdup("-o"));
  g_ptr_array_add(argv, g_strdup_printf("HostKeyAlias=%s", profile->name));
  g_ptr_array_add(argv, g_strdup("-i"));
  g_ptr_array_add(argv, g_steal_pointer(&key));
  g_ptr_array_add(argv, g_strdup("-p"));
  g_ptr_array_add(argv, g_strdup_printf("%d", MACHINE_PORT_SSH));
  g_ptr_array_add(argv, g_strdup_printf("%s@%s", user, profile->address));
  return argv;
}
