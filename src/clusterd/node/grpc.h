#pragma once
/*
 * A client of gRPC services without TLS: each call is a connection with HTTP/2 by prior knowledge, to a unix socket or
 * a TCP address. Any thread. Source: grpc/doc/PROTOCOL-HTTP2.md, grpc/doc/statuscodes.md.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum GrpcStatus {
  GRPC_OK = 0,
  GRPC_CANCELED = 1,
  GRPC_UNKNOWN = 2,
  GRPC_DEADLINE_EXCEEDED = 4,
  GRPC_NOT_FOUND = 5,
  GRPC_ALREADY_EXISTS = 6,
  GRPC_RESOURCE_EXHAUSTED = 8,
  GRPC_UNIMPLEMENTED = 12,
  GRPC_UNAVAILABLE = 14,
} GrpcStatus;

typedef struct GrpcChannel GrpcChannel;

/* Calls to SOCKET_PATH, or when that is NULL to ADDRESS ("127.0.0.1:80"). Nothing is connected yet. Once CALL_OFF_FD
 * (-1: none) is readable, calls that may be called off give up. */
GrpcChannel *grpc_channel_new(const char *socket_path, const char *address, const char *user_agent, int call_off_fd);
/* No call may be on its way. */
void grpc_channel_free(GrpcChannel *channel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GrpcChannel, grpc_channel_free)

/* How a call ended. */
typedef struct GrpcAnswer {
  int status;    /* a GrpcStatus or another of the protocol's numbers; made up here when none came */
  char *text;    /* what the server, or this client, says of it; NULL: nothing */
  GBytes *reply; /* the last message that came; NULL: none */
  bool connected, timed_out, called_off;
} GrpcAnswer;
void grpc_answer_clear(GrpcAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GrpcAnswer, grpc_answer_clear)

/* Makes MESSAGE, which comes empty, the next one of a request. False: there are no more. */
typedef bool (*GrpcSource)(GByteArray *message, void *data);
/* Gets every message of an answer; without it only the last is kept. */
typedef void (*GrpcSink)(const uint8_t *message, size_t length, void *data);

typedef struct GrpcCall {
  const char *method;         /* "/runtime.v1.RuntimeService/Version" */
  const char *const *headers; /* "name: value", NULL-terminated; may be NULL */
  const void *request;        /* the one message of the request … */
  size_t length;
  GrpcSource source; /* … or, when not NULL, what makes them */
  GrpcSink sink;     /* may be NULL */
  void *data;        /* of both */
  int64_t timeout_ms;
  size_t reply_max; /* bytes a message may have */
  bool may_be_called_off;
} GrpcCall;

/* Blocks until the call has ended. */
void grpc_call(GrpcChannel *channel, const GrpcCall *call, GrpcAnswer *answer);

/* A call that goes on for ever: its answers come as they happen. */
typedef struct GrpcStream GrpcStream;
GrpcStream *grpc_stream_new(void);
void grpc_stream_free(GrpcStream *stream);
/* Makes a running stream ask its tick at once. */
void grpc_stream_wake(GrpcStream *stream);

#define GRPC_STREAM_END (-2)
/* Called at the begin, after every message and when its time has come: milliseconds until it wants to be called again
 * (-1: only after messages), or GRPC_STREAM_END. */
typedef int (*GrpcTick)(void *data);

/* Runs CALL (whose timeout is not used) on the calling thread until the server ends it or TICK does. */
void grpc_stream_run(GrpcStream *stream, GrpcChannel *channel, const GrpcCall *call, GrpcTick tick, GrpcAnswer *answer);

/* Sets *ERROR from an answer that is not GRPC_OK, in the words that gRPC's clients use: "rpc error: code = NotFound
 * desc = …". REASON_RUNTIME_NOT_FOUND, REASON_CONFLICT (AlreadyExists), REASON_TIMEOUT, REASON_INTERRUPTED (called
 * off), else REASON_RUNTIME. False. */
bool grpc_answer_error(const GrpcAnswer *answer, GError **error);
