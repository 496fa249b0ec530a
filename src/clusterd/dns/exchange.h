#pragma once
/* One question to one nameserver: over UDP, then, when the answer was cut off, over TCP. Belongs to the DNS thread's
 * event loop. Source: RFC 1035 section 4.2, RFC 5452, RFC 7766. */
#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct Exchange Exchange;

/* REPLY is a message to the question asked, borrowed, with an id that is not the client's; NULL when the server gave
 * none in two seconds, or refused to be asked (*TIMED_OUT tells which). Frees its exchange if it likes. */
typedef void (*ExchangeDone)(const uint8_t *reply, size_t length, bool timed_out, void *data);

/* Sends QUERY (copied; a header, a question and perhaps an OPT) with an id nobody can guess. NULL when it cannot be
 * sent; otherwise calls DONE once, later. */
Exchange *exchange_start(struct event_base *base, const struct sockaddr *to, socklen_t size, const uint8_t *query,
                         size_t length, bool tcp, ExchangeDone done, void *data);
void exchange_free(Exchange *exchange);

/* Whether MESSAGE is a reply with ID to the question of QUERY. */
bool exchange_is_reply(const uint8_t *query, size_t query_length, uint16_t id, const uint8_t *message, size_t length);
