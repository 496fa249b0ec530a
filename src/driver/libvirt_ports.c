#include "driver/libvirt_ports.h"

#include <libvirt/libvirt-qemu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/domain_xml.h"
#include "driver/libvirt_connect.h"

char *hostfwd_argument(const char *address, DriverPort port, bool for_add)
{
  const char *protocol = port.udp ? "udp" : "tcp";
  if (for_add)
    return g_strdup_printf(DOMAIN_NETDEV " %s:%s:%u-:%u", protocol, address, port.host, port.guest);
  return g_strdup_printf(DOMAIN_NETDEV " %s:%s:%u", protocol, address, port.host);
}

/* A line of "info usernet" (libslirp, slirp_connection_info): protocol[state], descriptor, source address and port,
 * destination address and port, queues. */
static bool line_is_forward(const char *line, const char *address, DriverPort port)
{
  char state[32], source[64], destination[64];
  unsigned source_port, destination_port;
  int fields = sscanf(line, " %31s %*d %63s %u %63s %u", state, source, &source_port, destination, &destination_port);
  return fields == 5 && strcmp(state, port.udp ? "UDP[HOST_FORWARD]" : "TCP[HOST_FORWARD]") == 0 &&
         strcmp(source, address) == 0 && source_port == port.host && destination_port == port.guest;
}

bool hostfwd_listed(const char *table, const char *address, DriverPort port)
{
  g_auto(GStrv) lines = g_strsplit(table, "\n", -1);
  for (char **line = lines; *line; line++)
    if (line_is_forward(*line, address, port))
      return true;
  return false;
}

/* The monitor's answer, stripped; empty when the command succeeded. NULL with an error. */
static char *monitor(virDomainPtr domain, const char *command, GError **error)
{
  char *answer = NULL;
  if (virDomainQemuMonitorCommand(domain, command, &answer, VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP) < 0) {
    libvirt_fail(error, REASON_DRIVER, "The machine's monitor refused '%s'", command);
    return NULL;
  }
  char *copy = g_strstrip(g_strdup(answer ? answer : ""));
  free(answer);
  return copy;
}

bool libvirt_port_open(virDomainPtr domain, const char *address, DriverPort port, GError **error)
{
  g_autofree char *argument = hostfwd_argument(address, port, true);
  g_autofree char *command = g_strconcat("hostfwd_add ", argument, NULL);
  g_autofree char *answer = monitor(domain, command, error);
  if (!answer)
    return false;
  if (!*answer)
    return true;
  g_autofree char *table = monitor(domain, "info usernet", error);
  if (!table)
    return false;
  if (hostfwd_listed(table, address, port))
    return true;
  return reason_set(error, REASON_DRIVER_CONFLICT, "The port %s:%u/%s is taken on this host", address, port.host,
                    port.udp ? "udp" : "tcp");
}

bool libvirt_port_close(virDomainPtr domain, const char *address, DriverPort port, GError **error)
{
  g_autofree char *argument = hostfwd_argument(address, port, false);
  g_autofree char *command = g_strconcat("hostfwd_remove ", argument, NULL);
  g_autofree char *answer = monitor(domain, command, error);
  if (!answer)
    return false;
  /* The monitor says "host forwarding rule for … removed" or "… not found": closed either way. */
  if (!*answer || strstr(answer, "removed") || strstr(answer, "not found"))
    return true;
  return reason_set(error, REASON_DRIVER, "Cannot close the port %s:%u: %s", address, port.host, answer);
}
