/* Which protocol a client and the server agree on. */
#include <string.h>

#include "base/reason.h"
#include "clusterd/server/stream/stream_session.h"
#include "clusterd/server/stream/websocket.h"

typedef struct Protocol {
  const char *name;
  unsigned version;
  bool base64;
} Protocol;

/* Best first. */
static const Protocol websocket_commands[] = {
  { "v5.channel.k8s.io", 5, false }, { "v4.channel.k8s.io", 4, false },    { "v4.base64.channel.k8s.io", 4, true },
  { "channel.k8s.io", 1, false },    { "base64.channel.k8s.io", 1, true },
};
static const Protocol websocket_forwards[] = {
  { "SPDY/3.1+portforward.k8s.io", 1, false },
  { "v4.channel.k8s.io", 4, false },
  { "v4.base64.channel.k8s.io", 4, true },
};
static const Protocol spdy_commands[] = {
  { "v4.channel.k8s.io", 4, false },
  { "v3.channel.k8s.io", 3, false },
  { "v2.channel.k8s.io", 2, false },
  { "channel.k8s.io", 1, false },
};
static const Protocol spdy_forwards[] = {
  { "portforward.k8s.io", 1, false },
};

void stream_handshake_clear(StreamHandshake *handshake)
{
  g_clear_pointer(&handshake->head, g_free);
}

/* A header may come several times, and each time name several protocols between commas. */
static bool is_offered(const char *const *offered, const char *name)
{
  for (; offered && *offered; offered++) {
    g_auto(GStrv) parts = g_strsplit(*offered, ",", 64);
    for (char **part = parts; *part; part++)
      if (strcmp(g_strstrip(*part), name) == 0)
        return true;
  }
  return false;
}

static const Protocol *choose(const Protocol *known, gsize n, const char *const *offered)
{
  for (gsize i = 0; i < n; i++)
    if (is_offered(offered, known[i].name))
      return &known[i];
  return NULL;
}

static bool refuse(const char *const *offered, GError **error)
{
  g_autofree char *list = offered ? g_strjoinv(" ", (char **)(uintptr_t)offered) : g_strdup("");
  return reason_set(error, REASON_FORBIDDEN, "unable to upgrade: unable to negotiate protocol: client supports [%s]",
                    list);
}

static bool choose_websocket(StreamPurpose purpose, const StreamHeaders *headers, StreamHandshake *handshake,
                             GError **error)
{
  static const Protocol unnamed = { "", 1, false };
  bool command = purpose == STREAM_REMOTE_COMMAND;
  const char *const *offered = headers->websocket_protocols;
  const Protocol *protocol = command ? choose(websocket_commands, G_N_ELEMENTS(websocket_commands), offered)
                                     : choose(websocket_forwards, G_N_ELEMENTS(websocket_forwards), offered);
  if (!protocol && command && (!offered || !*offered))
    protocol = &unnamed;
  if (!protocol)
    return refuse(offered, error);
  g_autofree char *accept = websocket_accept_key(headers->websocket_key);
  if (!accept || g_strcmp0(headers->websocket_version, "13") != 0)
    return reason_set(error, REASON_BAD_REQUEST, "unable to upgrade: not a WebSocket handshake of version 13");
  handshake->framing = STREAM_WEBSOCKET;
  handshake->version = protocol->version;
  handshake->base64 = protocol->base64;
  handshake->head = g_strdup_printf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                    "Sec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
                                    accept, *protocol->name ? "Sec-WebSocket-Protocol: " : "", protocol->name,
                                    *protocol->name ? "\r\n" : "");
  return true;
}

static bool choose_spdy(StreamPurpose purpose, const StreamHeaders *headers, StreamHandshake *handshake, GError **error)
{
  bool command = purpose == STREAM_REMOTE_COMMAND;
  const char *const *offered = headers->stream_protocols;
  const Protocol *protocol = command ? choose(spdy_commands, G_N_ELEMENTS(spdy_commands), offered)
                                     : choose(spdy_forwards, G_N_ELEMENTS(spdy_forwards), offered);
  /* the oldest clients name none and mean the first version */
  if (!protocol && (!offered || !*offered))
    protocol = command ? &spdy_commands[G_N_ELEMENTS(spdy_commands) - 1] : &spdy_forwards[0];
  if (!protocol)
    return refuse(offered, error);
  handshake->framing = STREAM_SPDY;
  handshake->version = protocol->version;
  handshake->head = g_strdup_printf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n"
                                    "X-Stream-Protocol-Version: %s\r\n\r\n",
                                    protocol->name);
  return true;
}

bool stream_handshake_choose(StreamPurpose purpose, const StreamHeaders *headers, StreamHandshake *handshake,
                             GError **error)
{
  *handshake = (StreamHandshake){ 0 };
  const char *upgrade = headers->upgrade ? headers->upgrade : "";
  if (g_ascii_strcasecmp(upgrade, "websocket") == 0)
    return choose_websocket(purpose, headers, handshake, error);
  if (g_ascii_strcasecmp(upgrade, "SPDY/3.1") == 0)
    return choose_spdy(purpose, headers, handshake, error);
  return reason_set(error, REASON_BAD_REQUEST, "Upgrade request required");
}
