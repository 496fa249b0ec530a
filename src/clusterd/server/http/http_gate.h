#pragma once
/*
 * The gate of a connection (http_gate.c), and the body of a request that is read while it comes (http_upload.c).
 * Gates belong to their loop's thread.
 */
#include "clusterd/server/http/http_private.h"

/* The header by which the gate tells what became of a body; a client's own of that name is refused. */
#define HTTP_GATE_HEADER "Gate-Body"
#define HTTP_GATE_TOO_LONG "too-long"
#define HTTP_GATE_MALFORMED "malformed"
#define HTTP_GATE_STREAMED "streamed"

typedef struct HttpGate HttpGate;

/* A gate for CONNECTION of LOOP, which goes with the connection's TLS. */
void http_gate_install(HttpLoop *loop, struct bufferevent *connection);
HttpGate *http_gate_of(struct bufferevent *connection);

/* The upload of the request that was just passed to evhttp; new reference. */
HttpUpload *http_gate_upload(HttpGate *gate);
/* Lets the connection be read, or not. */
void http_gate_read(HttpGate *gate, bool on);
/* A request that was passed is answered. */
void http_gate_answered(HttpGate *gate);
/* The request passed last asks for another protocol: no more than its own answer may be given on the connection in this
 * one. */
bool http_gate_is_open(const HttpGate *gate);
/* Nobody reads UPLOAD: what still comes of it is thrown away. */
void http_gate_forget(HttpGate *gate, HttpUpload *upload);

/* --- the gate's side of an upload; on the loop's thread --- */

/* LENGTH is -1 when it is not known. */
HttpUpload *http_upload_new(HttpLoop *loop, HttpGate *gate, gint64 length);
HttpUpload *http_upload_ref(HttpUpload *upload);
/* Moves LENGTH bytes from the beginning of FROM to the upload. */
void http_upload_push(HttpUpload *upload, struct evbuffer *from, gsize length);
/* The last call of the gate, which gives up its reference: WHOLE, or broken off. */
void http_upload_end(HttpUpload *upload, bool whole);
