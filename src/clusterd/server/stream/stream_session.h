#pragma once
/*
 * Upgraded connections: exec and attach (remote command), and port-forward, over SPDY/3.1 or WebSocket.
 * The HTTP server chooses by stream_handshake_choose, sends the head it gives, and runs the session in a thread of its
 * own on the connection's blocking socket (TLS removed). Source: k8s.io/kubelet remotecommand and portforward
 * protocols; KEP-4006 (WebSocket).
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/server/node_access.h"

#define STREAM_BUFFER_MAX (1u << 20) /* bytes waiting in either direction before its source is no longer read */
#define STREAM_OPEN_SECONDS 30       /* for a SPDY client to open all its streams */
#define PORT_FORWARD_CONNECTIONS_MAX 256
#define PORT_FORWARD_PORTS_MAX 64 /* named in one request; the channels' numbers stay below 128 */

typedef enum StreamPurpose { STREAM_REMOTE_COMMAND, STREAM_PORT_FORWARD } StreamPurpose;

/* The request's headers that matter. Lists are NULL-terminated, one element per header line; any member may be NULL. */
typedef struct StreamHeaders {
  const char *upgrade;                    /* Upgrade */
  const char *websocket_key;              /* Sec-WebSocket-Key */
  const char *websocket_version;          /* Sec-WebSocket-Version */
  const char *const *websocket_protocols; /* Sec-WebSocket-Protocol */
  const char *const *stream_protocols;    /* X-Stream-Protocol-Version */
} StreamHeaders;

typedef enum StreamFraming { STREAM_SPDY, STREAM_WEBSOCKET } StreamFraming;

typedef struct StreamHandshake {
  StreamFraming framing;
  unsigned version; /* of the remote command protocol, 1 to 5; port-forward: 1 (SPDY) or 4 (channels) */
  bool base64;      /* text frames of base64 (base64.channel.k8s.io) */
  char *head;       /* the whole 101 reply, to be sent before anything else */
} StreamHandshake;
void stream_handshake_clear(StreamHandshake *handshake);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StreamHandshake, stream_handshake_clear)

/* Picks framing and protocol among those offered. False with REASON_BAD_REQUEST when no upgrade is asked for, or
 * REASON_FORBIDDEN when no offered protocol is known. */
bool stream_handshake_choose(StreamPurpose purpose, const StreamHeaders *headers, StreamHandshake *handshake,
                             GError **error);

typedef struct RemoteCommand {
  bool with_stdin, with_stdout, with_stderr, with_tty;
  /* Starts the process when all streams are there. The session closes it. */
  NodeProcess *(*start)(void *data, GError **error);
  void *data;
} RemoteCommand;

/* Runs an exec or attach to its end: copies the streams, reports the exit status, closes FD. Blocks. */
void remote_command_run(int fd, const StreamHandshake *handshake, const RemoteCommand *command);

typedef struct PortForward {
  const char *pod; /* for messages */
  /* A connected socket to PORT of the pod, -1 with an error. May block shortly. */
  int (*connect)(void *data, uint16_t port, GError **error);
  void *data;
  const uint16_t *ports; /* the request's; only channels need them */
  unsigned n_ports;
} PortForward;

/* Runs a port-forward until the client leaves; closes FD. Blocks. */
void port_forward_run(int fd, const StreamHandshake *handshake, const PortForward *forward);
/* The same where the handshake's version is 4: until all connections have ended. */
void port_forward_channels_run(int fd, const StreamHandshake *handshake, const PortForward *forward);
