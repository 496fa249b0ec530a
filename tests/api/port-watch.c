/* What the keeper does, without a machine: real listeners on ADDRESS for the services of a server on 127.0.0.1:PORT,
 * with the profile "test" of LAUNCHER_HOME.
 *
 *     port-watch PORT ADDRESS        ends when the server does */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "bootstrap/keeper.h"
#include "driver/container_ports.h"

static PortServer *server;

static bool forward(const MachineSpec *spec, DriverPort port, GError **error)
{
  return port_server_open(server, port, error);
}

static bool unforward(const MachineSpec *spec, DriverPort port, GError **error)
{
  port_server_close(server, port);
  return true;
}

int main(int argc, char **argv)
{
  static const Driver driver = { .forward = forward, .unforward = unforward };
  if (argc != 3)
    return 2;
  MachineSpec spec = { .address = argv[2] };
  g_autoptr(GError) error = NULL;
  g_autoptr(EventLoop) loop = event_loop_new(&error);
  Home *home = home_new("launcher");
  Profile *profile = profile_new("test");
  g_free(profile->address);
  profile->address = g_strdup("127.0.0.1");
  profile->apiserver_port = atoi(argv[1]);
  server = port_server_new(loop, argv[2]);
  g_autoptr(PortWatch) watch = port_watch_new(home, profile, &driver, &spec);
  while (port_watch_follow(watch, &error))
    continue;
  fprintf(stderr, "%s\n", error->message);
  port_server_free(server);
  profile_free(profile);
  home_free(home);
  return 0;
}
