#pragma once
/* Nameservers that stand in for one another, and which of them answer. Belongs to the DNS thread. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define NAMESERVERS_MAX 15 /* as CoreDNS's plugin forward */

typedef struct NameServer {
  struct sockaddr_storage at;
  socklen_t size;
  unsigned failures; /* in a row */
  bool down;
} NameServer;

typedef struct ServerList {
  unsigned references, count, next; /* next: whose turn it is */
  NameServer server[NAMESERVERS_MAX];
} ServerList;

typedef enum ServerPolicy { SERVER_RANDOM, SERVER_ROUND_ROBIN, SERVER_SEQUENTIAL } ServerPolicy;

ServerList *server_list_new(void);
ServerList *server_list_ref(ServerList *list);
void server_list_unref(ServerList *list);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServerList, server_list_unref)

/* Adds "1.2.3.4", "1.2.3.4:5353", "fd00::1" or "[fd00::1]:53"; without a port DEFAULT_PORT. False with
 * REASON_CONFIG for anything else, and when the list is full. */
bool server_list_add(ServerList *list, const char *text, uint16_t default_port, GError **error);

bool server_list_equal(const ServerList *a, const ServerList *b);

/* Whom to ask, in this order: those that answer, as POLICY says; when none does, all. How many of ORDER are set. */
unsigned server_list_order(ServerList *list, ServerPolicy policy, unsigned order[NAMESERVERS_MAX]);
