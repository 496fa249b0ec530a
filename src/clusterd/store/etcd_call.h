#pragma once
/* Calls of etcd's v3 interface: gRPC as libcurl's HTTP/2 carries it. A call is one POST whose body is one message
 * behind five bytes of framing; how it ended is in the trailers. Source:
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
#include <curl/curl.h>
#include <glib.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

/* Bytes of one message from etcd. It sends no more than its own limit for requests (1.5 MiB) in one event, and lists
 * are asked for by the page. */
#define ETCD_MESSAGE_MAX (256u << 20)

typedef struct EtcdTransport EtcdTransport;

/* ENDPOINTS are URLs ("https://10.0.0.1:2379"), one after the other is used as they fail; the files may be NULL.
 * NULL with REASON_CONFIG. */
EtcdTransport *etcd_transport_new(const char *const *endpoints, const char *ca_file, const char *cert_file,
                                  const char *key_file, GError **error);
void etcd_transport_free(EtcdTransport *transport);

/* What is known after a call that failed. */
typedef enum EtcdOutcome {
  ETCD_DONE,
  ETCD_REFUSED, /* etcd said no: nothing has happened and asking again gives the same */
  ETCD_UNSENT,  /* it did not reach etcd */
  ETCD_UNKNOWN, /* it may or may not happen, perhaps later */
} EtcdOutcome;

/* One attempt on the current endpoint, given up at UNTIL_US (monotonic; 0: after some seconds of its own); another is
 * the current one after an attempt that did not get an answer. *RESPONSE is the caller's
 * (protobuf_c_message_free_unpacked). Thread-safe. */
EtcdOutcome etcd_call_once(EtcdTransport *transport, const char *method, const ProtobufCMessage *request,
                           const ProtobufCMessageDescriptor *type, int64_t until_us, void **response, GError **error);

/* A call that only asks, repeated on all endpoints until UNTIL_US (monotonic). NULL with the last error. */
void *etcd_ask(EtcdTransport *transport, const char *method, const ProtobufCMessage *request,
               const ProtobufCMessageDescriptor *type, int64_t until_us, GError **error);

/* Waits before the next attempt of a call that has failed ATTEMPT times; false when UNTIL_US comes before. */
bool etcd_call_pause(const EtcdTransport *transport, unsigned attempt, int64_t until_us);

/* --- for streams ---------------------------------------------------------------------------------------------------
 */

/* How a call ended, from its headers and trailers. */
typedef struct EtcdStatus {
  int code; /* of gRPC; -1: none came */
  char *message;
} EtcdStatus;
void etcd_status_clear(EtcdStatus *status);

/* REQUEST with its framing. */
GByteArray *etcd_frame(const ProtobufCMessage *request);

/* Takes the first whole message from BUFFER: 1 and *RESPONSE, 0 when there is none yet, -1 with *ERROR when it is none.
 */
int etcd_unframe(GByteArray *buffer, const ProtobufCMessageDescriptor *type, void **response, GError **error);

/* Makes HANDLE ready to call METHOD on the current endpoint, *ENDPOINT gets its number. BODY, HEADERS, STATUS must live
 * while it runs. The caller sets what is written and read. */
void etcd_transport_prepare(EtcdTransport *transport, CURL *handle, const char *method, EtcdStatus *status,
                            unsigned *endpoint);

/* ENDPOINT did not answer: uses the next one, unless somebody has seen to that. */
void etcd_transport_leave(EtcdTransport *transport, unsigned endpoint);
const char *etcd_transport_url(const EtcdTransport *transport, unsigned endpoint);

/* Turns the status of etcd's answer into *ERROR. */
EtcdOutcome etcd_status_outcome(const EtcdStatus *status, GError **error);
