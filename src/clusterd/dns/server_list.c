#include "clusterd/dns/server_list.h"

#include <netdb.h>
#include <string.h>

#include "base/reason.h"

ServerList *server_list_new(void)
{
  ServerList *list = g_new0(ServerList, 1);
  list->references = 1;
  return list;
}

ServerList *server_list_ref(ServerList *list)
{
  list->references++;
  return list;
}

void server_list_unref(ServerList *list)
{
  if (list && --list->references == 0)
    g_free(list);
}

/* Splits TEXT into *HOST and *PORT, which both are the caller's; *PORT NULL: none is said. */
static void split(const char *text, char **host, char **port)
{
  const char *first = strchr(text, ':'), *bracket = strchr(text, ']');
  *port = NULL;
  if (text[0] == '[' && bracket) {
    *host = g_strndup(text + 1, (gsize)(bracket - text - 1));
    *port = bracket[1] == ':' ? g_strdup(bracket + 2) : NULL;
    if (bracket[1] != ':' && bracket[1] != '\0')
      *port = g_strdup("");
  } else if (first && !strchr(first + 1, ':')) {
    *host = g_strndup(text, (gsize)(first - text));
    *port = g_strdup(first + 1);
  } else {
    *host = g_strdup(text);
  }
}

bool server_list_add(ServerList *list, const char *text, uint16_t default_port, GError **error)
{
  const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM };
  struct addrinfo *found = NULL;
  g_autofree char *host = NULL, *port = NULL;
  guint64 number = default_port;
  if (list->count == NAMESERVERS_MAX)
    return reason_set(error, REASON_CONFIG, "more than %d nameservers", NAMESERVERS_MAX);
  split(text, &host, &port);
  if (port && !g_ascii_string_to_unsigned(port, 10, 1, UINT16_MAX, &number, NULL))
    return reason_set(error, REASON_CONFIG, "%s: %s is no port", text, port);
  g_autofree char *service = g_strdup_printf("%u", (unsigned)number);
  if (!*host || getaddrinfo(host, service, &hints, &found) != 0)
    return reason_set(error, REASON_CONFIG, "%s is no address of a nameserver", text);
  NameServer *server = &list->server[list->count++];
  server->size = found->ai_addrlen;
  memcpy(&server->at, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return true;
}

bool server_list_equal(const ServerList *a, const ServerList *b)
{
  if (a->count != b->count)
    return false;
  for (unsigned i = 0; i < a->count; i++)
    if (a->server[i].size != b->server[i].size || memcmp(&a->server[i].at, &b->server[i].at, a->server[i].size) != 0)
      return false;
  return true;
}

unsigned server_list_order(ServerList *list, ServerPolicy policy, unsigned order[NAMESERVERS_MAX])
{
  unsigned n = 0, start = 0;
  if (policy == SERVER_RANDOM)
    start = g_random_int();
  else if (policy == SERVER_ROUND_ROBIN)
    start = list->next++;
  for (unsigned i = 0; i < list->count; i++)
    if (!list->server[(start % list->count + i) % list->count].down)
      order[n++] = (start % list->count + i) % list->count;
  for (unsigned i = 0; n == 0 && i < list->count; i++)
    order[i] = (start % list->count + i) % list->count;
  return n > 0 ? n : list->count;
}
