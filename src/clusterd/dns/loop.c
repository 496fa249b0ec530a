#include "clusterd/dns/loop.h"

#include <ldns/packet.h>
#include <string.h>

#include "clusterd/dns/question.h"

struct Loop {
  Upstream *upstream;
  uint8_t name[NAME_WIRE_MAX];
  size_t length;      /* 0: nothing was sent */
  const Block *block; /* only compared, never followed */
  bool found;
};

Loop *loop_new(Upstream *upstream)
{
  Loop *loop = g_new0(Loop, 1);
  loop->upstream = upstream;
  return loop;
}

void loop_free(Loop *loop)
{
  g_free(loop);
}

static void on_reply(const uint8_t *reply, size_t length, void *data)
{
}

void loop_start(Loop *loop, const Block *block, ServerList *servers)
{
  static const UpstreamOptions options = { .policy = SERVER_SEQUENTIAL };
  uint8_t query[UDP_SIZE_PLAIN] = { 0 };
  loop->block = block;
  loop->found = false;
  loop->length = 0;
  if (!servers || servers->count == 0)
    return;
  g_autofree char *text = g_strdup_printf("%u.%u.", g_random_int(), g_random_int());
  size_t at = MESSAGE_HEADER_SIZE;
  loop->length = name_from_text(text, loop->name);
  message_put_u16(query + 2, FLAG_RD);
  message_put_u16(query + 4, 1);
  memcpy(query + at, loop->name, loop->length);
  at += loop->length;
  message_put_u16(query + at, LDNS_RR_TYPE_HINFO);
  message_put_u16(query + at + 2, LDNS_RR_CLASS_IN);
  upstream_ask(loop->upstream, servers, &options, query, at + 4, on_reply, NULL);
}

bool loop_notice(Loop *loop, const uint8_t *name, size_t length)
{
  if (loop->length == 0 || loop->length != length || memcmp(loop->name, name, length) != 0)
    return false;
  if (!loop->found)
    g_warning("loop detected: the nameservers that get what is not the cluster's ask this server; they are asked "
              "no more until they change");
  loop->found = true;
  return true;
}

bool loop_is_found(const Loop *loop, const Block *block)
{
  return loop->found && loop->block == block;
}
