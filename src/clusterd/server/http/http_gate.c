/*
 * What stands between a connection's bytes and evhttp: bodies.
 *
 * evhttp reads a body whole before it tells of its request, and answers one beyond its limit with a page of its own.
 * The gate sees the bytes first, in the connection's input buffer, and gives evhttp only bodies that fit: a longer one
 * is thrown away as it comes, and one that is to stream goes into an HttpUpload; evhttp then sees a request without a
 * body, with a header that says what became of it.
 */
#include <openssl/err.h>
#include <string.h>

#include "clusterd/server/http/http_gate.h"

#define CHUNK_LINE_MAX (4 << 10)
/* A body that is too long is read to its end, so that its sender gets to see why, unless that is further than this. */
#define SKIP_MAX (256u << 20)
/* A body that is to stream, but is no longer than this, is simply read. */
#define STREAM_MIN (64u << 10)

typedef enum GateState {
  GATE_HEAD,
  GATE_BODY,
  GATE_CHUNK_SIZE,
  GATE_CHUNK_DATA,
  GATE_CHUNK_END,
  GATE_TRAILER,
  GATE_OPEN,  /* everything passes: another protocol, or what evhttp refuses by itself; the connection's last request */
  GATE_CLOSED /* nothing passes: the connection ends with the reply */
} GateState;

/* Where the bytes of the body go. */
typedef enum GateSink { SINK_PASS, SINK_HOLD, SINK_DROP, SINK_UPLOAD } GateSink;

struct HttpGate {
  HttpLoop *loop;
  struct bufferevent *connection;
  struct evbuffer *raw;    /* come, and not yet looked at */
  struct evbuffer *passed; /* empty but within on_input */
  GateState state;
  GateSink sink;
  gsize searched;        /* bytes of RAW that are whole lines of a head */
  GString *head;         /* of a request evhttp does not know of yet; without what frames its body */
  struct evbuffer *body; /* what was sent of it in chunks */
  guint64 left;          /* bytes of the body, or of its chunk */
  guint64 size;          /* of the body so far */
  HttpUpload *upload;    /* under way; NULL: none */
  bool busy;             /* the gate itself changes the input */
  unsigned unanswered;   /* requests evhttp has, or a part of */
  bool owes_leave;       /* whose sender waits to be told that its body may come */
};

/* --- heads ---------------------------------------------------------------------------------------------------------
 */

/* What the head of a request says of its body. */
typedef struct Frame {
  bool chunked, malformed, upgrade, expects, marked;
  unsigned n_lengths;
  guint64 length;
} Frame;

/* True when LINE of a head is the header NAME; *VALUE is then what it says, in the line. */
static bool is_header(const char *line, gsize length, const char *name, char **value)
{
  gsize n = strlen(name);
  if (length <= n || g_ascii_strncasecmp(line, name, n) != 0)
    return false;
  const char *colon = line + n + strspn(line + n, " \t");
  if (colon >= line + length || *colon != ':')
    return false;
  g_free(*value);
  *value = g_strstrip(g_strndup(colon + 1, (gsize)(line + length - colon - 1)));
  return true;
}

/* Notes what LINE says. True when it is one of those that frame a body, which the gate may have to leave out. */
static bool note_line(const char *line, gsize length, Frame *frame)
{
  g_autofree char *value = NULL;
  if (is_header(line, length, "Content-Length", &value)) {
    bool valid = g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT64, &frame->length, NULL);
    frame->n_lengths++;
    frame->malformed = frame->malformed || !valid || frame->n_lengths > 1;
    return true;
  }
  if (is_header(line, length, "Transfer-Encoding", &value)) {
    frame->malformed = frame->malformed || frame->chunked || g_ascii_strcasecmp(value, "chunked") != 0;
    frame->chunked = true;
    return true;
  }
  if (is_header(line, length, "Expect", &value)) {
    frame->expects = true;
    return true;
  }
  if (is_header(line, length, HTTP_GATE_HEADER, &value)) {
    frame->marked = true;
    return true;
  }
  frame->upgrade = frame->upgrade || is_header(line, length, "Upgrade", &value);
  return false;
}

/* Reads the head of LENGTH bytes at DATA, its empty line included, and keeps it in REST without what frames the body.
 */
static Frame read_head(const char *data, gsize length, GString *rest)
{
  Frame frame = { 0 };
  const char *end = data + length;
  bool left_out = false;
  for (const char *line = data; line < end;) {
    const char *newline = memchr(line, '\n', (gsize)(end - line));
    const char *next = newline ? newline + 1 : end;
    gsize n = (gsize)((newline ? newline : end) - line);
    n -= n > 0 && line[n - 1] == '\r';
    /* a line that begins with white space goes on with the one before */
    bool folded = line > data && n > 0 && (*line == ' ' || *line == '\t');
    frame.malformed = frame.malformed || (folded && left_out);
    left_out = line > data && !folded && note_line(line, n, &frame);
    if (!left_out && n > 0)
      g_string_append_printf(g_string_append_len(rest, line, (gssize)n), "\r\n");
    line = next;
  }
  return frame;
}

/* The length of the head at the beginning of RAW, with its empty line; 0: it is not all there. */
static gsize find_head(HttpGate *gate)
{
  struct evbuffer_ptr from, at;
  size_t eol;
  for (;;) {
    if (evbuffer_ptr_set(gate->raw, &from, gate->searched, EVBUFFER_PTR_SET) < 0)
      return 0;
    at = evbuffer_search_eol(gate->raw, &from, &eol, EVBUFFER_EOL_CRLF);
    if (at.pos < 0)
      return 0;
    bool empty = (gsize)at.pos == gate->searched;
    gate->searched = (gsize)at.pos + eol;
    if (empty) {
      gsize length = gate->searched;
      gate->searched = 0;
      return length;
    }
  }
}

/* --- what evhttp gets ----------------------------------------------------------------------------------------------
 */

static struct evbuffer *input_of(const HttpGate *gate)
{
  return bufferevent_get_input(gate->connection);
}

/* Gives evhttp the head that was held back, with what MARK (may be NULL) says of its body, and the body. */
static void release(HttpGate *gate, const char *mark)
{
  struct evbuffer *input = input_of(gate);
  gsize length = evbuffer_get_length(gate->body);
  evbuffer_add(input, gate->head->str, gate->head->len);
  if (mark)
    evbuffer_add_printf(input, HTTP_GATE_HEADER ": %s\r\n\r\n", mark);
  else
    evbuffer_add_printf(input, "Content-Length: %zu\r\n\r\n", length);
  evbuffer_add_buffer(input, gate->body);
  g_string_truncate(gate->head, 0);
  gate->unanswered++;
}

/* The body of the request is of no use: it is answered, and nothing more is taken. */
static bool refuse(HttpGate *gate, const char *mark)
{
  gate->owes_leave = false;
  evbuffer_drain(gate->body, evbuffer_get_length(gate->body));
  if (gate->upload) /* evhttp has its head already */
    http_upload_end(g_steal_pointer(&gate->upload), false);
  else if (gate->head->len > 0)
    release(gate, mark);
  gate->state = GATE_CLOSED;
  return true;
}

static bool body_is_whole(HttpGate *gate)
{
  gate->owes_leave = false;
  if (gate->sink == SINK_DROP && gate->head->len > 0)
    return refuse(gate, HTTP_GATE_TOO_LONG);
  if (gate->upload)
    http_upload_end(g_steal_pointer(&gate->upload), true);
  if (gate->sink == SINK_HOLD)
    release(gate, NULL);
  gate->state = GATE_HEAD;
  return true;
}

/* Takes what there is of the next LEFT bytes of the body. */
static void take_data(HttpGate *gate)
{
  gsize length = MIN(evbuffer_get_length(gate->raw), gate->left);
  gate->left -= length;
  gate->size += length;
  if (gate->sink == SINK_UPLOAD && !gate->upload)
    gate->sink = SINK_DROP; /* nobody reads it any more */
  switch (gate->sink) {
  case SINK_PASS:
    evbuffer_remove_buffer(gate->raw, input_of(gate), length);
    break;
  case SINK_HOLD:
    evbuffer_remove_buffer(gate->raw, gate->body, length);
    break;
  case SINK_UPLOAD:
    http_upload_push(gate->upload, gate->raw, length);
    break;
  case SINK_DROP:
    evbuffer_drain(gate->raw, length);
    break;
  }
}

/* Tells the sender that its body may come, once all it asked before is answered: evhttp takes care of that only for
 * bodies it reads itself. Past the connection's buffer, which is empty, as evhttp would take the report that this was
 * written for one of its own; so few bytes always fit. */
static void give_leave(HttpGate *gate)
{
  static const char leave[] = "HTTP/1.1 100 Continue\r\n\r\n";
  if (!gate->owes_leave || gate->unanswered > (gate->upload ? 1 : 0) ||
      evbuffer_get_length(bufferevent_get_output(gate->connection)) > 0)
    return;
  gate->owes_leave = false;
  /* who sends without leave has no need of it */
  if (evbuffer_get_length(gate->raw) == 0 &&
      SSL_write(bufferevent_openssl_get_ssl(gate->connection), leave, sizeof leave - 1) <= 0)
    ERR_clear_error();
}

void http_gate_answered(HttpGate *gate)
{
  gate->unanswered -= gate->unanswered > 0;
  /* after the answer to the request itself its sender needs no leave */
  gate->owes_leave = gate->owes_leave && (gate->unanswered > 0 || !gate->upload);
  give_leave(gate);
}

bool http_gate_is_open(const HttpGate *gate)
{
  return gate->state == GATE_OPEN;
}

/* --- states --------------------------------------------------------------------------------------------------------
 */

static void start_upload(HttpGate *gate, const Frame *frame)
{
  gate->upload = http_upload_new(gate->loop, gate, frame->chunked ? -1 : (gint64)frame->length);
  gate->sink = SINK_UPLOAD;
  release(gate, HTTP_GATE_STREAMED);
}

/* Whether the body of the request that HEAD begins is to stream. */
static bool streams(const HttpGate *gate, const Frame *frame)
{
  const HttpServerConfig *config = &gate->loop->server->config;
  const char *uri = strchr(gate->head->str, ' ');
  if (!config->streams_body || !uri || frame->upgrade || (!frame->chunked && frame->length < STREAM_MIN))
    return false;
  g_autofree char *path = g_strndup(uri + 1, strcspn(uri + 1, " ?\r\n"));
  return config->streams_body(path, config->data);
}

static bool start_body(HttpGate *gate, const Frame *frame)
{
  gate->size = 0;
  gate->left = frame->length;
  gate->state = frame->chunked ? GATE_CHUNK_SIZE : GATE_BODY;
  gate->owes_leave = frame->expects;
  if (streams(gate, frame)) {
    start_upload(gate, frame);
    give_leave(gate);
    return true;
  }
  gate->sink = frame->chunked ? SINK_HOLD : SINK_DROP;
  if (frame->chunked)
    give_leave(gate);
  /* who asks first need not send it at all */
  return frame->chunked || !frame->expects || refuse(gate, HTTP_GATE_TOO_LONG);
}

static bool take_head(HttpGate *gate)
{
  gsize length = find_head(gate);
  if (length == 0 && evbuffer_get_length(gate->raw) <= HTTP_HEADERS_MAX)
    return false;
  if (length == 0 || length > HTTP_HEADERS_MAX) {
    gate->state = GATE_OPEN; /* evhttp refuses it */
    return true;
  }
  Frame frame = read_head((const char *)evbuffer_pullup(gate->raw, (ev_ssize_t)length), length, gate->head);
  bool fits = !frame.chunked && frame.length <= HTTP_BODY_MAX;
  if (!frame.malformed && !frame.marked && fits && !streams(gate, &frame)) {
    g_string_truncate(gate->head, 0);
    evbuffer_remove_buffer(gate->raw, input_of(gate), length);
    gate->unanswered++;
    gate->sink = SINK_PASS;
    gate->left = frame.length;
    gate->size = 0;
    gate->state = frame.length > 0 ? GATE_BODY : frame.upgrade ? GATE_OPEN : GATE_HEAD;
    return true;
  }
  evbuffer_drain(gate->raw, length);
  if (frame.malformed || (frame.marked && fits))
    return refuse(gate, HTTP_GATE_MALFORMED);
  return start_body(gate, &frame);
}

static bool take_body(HttpGate *gate)
{
  if (evbuffer_get_length(gate->raw) == 0)
    return false;
  take_data(gate);
  if (gate->sink == SINK_DROP && gate->head->len > 0 && gate->size > SKIP_MAX)
    return refuse(gate, HTTP_GATE_TOO_LONG);
  return gate->left > 0 || body_is_whole(gate);
}

/* The next line of the framing; NULL, and *REFUSED, when there is none to come. The caller frees. */
static char *take_line(HttpGate *gate, bool *refused)
{
  size_t length;
  char *line = evbuffer_readln(gate->raw, &length, EVBUFFER_EOL_CRLF);
  *refused = line ? length > CHUNK_LINE_MAX : evbuffer_get_length(gate->raw) > CHUNK_LINE_MAX;
  if (*refused)
    refuse(gate, HTTP_GATE_MALFORMED);
  return line;
}

static bool take_chunk_size(HttpGate *gate)
{
  bool refused;
  g_autofree char *line = take_line(gate, &refused);
  if (!line || refused)
    return refused;
  gsize digits = strspn(line, "0123456789abcdefABCDEF");
  gate->left = g_ascii_strtoull(line, NULL, 16);
  if (digits == 0 || !strchr("; \t", line[digits]) || gate->left > G_MAXINT64)
    return refuse(gate, HTTP_GATE_MALFORMED);
  if (gate->sink == SINK_HOLD && gate->size + gate->left > HTTP_BODY_MAX) {
    evbuffer_drain(gate->body, evbuffer_get_length(gate->body));
    gate->sink = SINK_DROP;
  }
  gate->state = gate->left > 0 ? GATE_CHUNK_DATA : GATE_TRAILER;
  return true;
}

static bool take_chunk_data(HttpGate *gate)
{
  if (evbuffer_get_length(gate->raw) == 0)
    return false;
  take_data(gate);
  if (gate->sink == SINK_DROP && gate->head->len > 0 && gate->size > SKIP_MAX)
    return refuse(gate, HTTP_GATE_TOO_LONG);
  if (gate->left == 0)
    gate->state = GATE_CHUNK_END;
  return true;
}

static bool take_chunk_end(HttpGate *gate)
{
  bool refused;
  g_autofree char *line = take_line(gate, &refused);
  if (!line || refused)
    return refused;
  gate->state = GATE_CHUNK_SIZE;
  return !*line || refuse(gate, HTTP_GATE_MALFORMED);
}

/* Headers that follow a body are nobody's. */
static bool take_trailer(HttpGate *gate)
{
  bool refused;
  g_autofree char *line = take_line(gate, &refused);
  if (!line || refused)
    return refused;
  return *line || body_is_whole(gate);
}

/* True when there may be more to do. */
static bool step(HttpGate *gate)
{
  switch (gate->state) {
  case GATE_HEAD:
    return take_head(gate);
  case GATE_BODY:
    return take_body(gate);
  case GATE_CHUNK_SIZE:
    return take_chunk_size(gate);
  case GATE_CHUNK_DATA:
    return take_chunk_data(gate);
  case GATE_CHUNK_END:
    return take_chunk_end(gate);
  case GATE_TRAILER:
    return take_trailer(gate);
  case GATE_OPEN:
    evbuffer_add_buffer(input_of(gate), gate->raw);
    return false;
  case GATE_CLOSED:
    evbuffer_drain(gate->raw, evbuffer_get_length(gate->raw));
    return false;
  }
  return false;
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *change, void *data)
{
  HttpGate *gate = data;
  if (gate->busy || change->n_added == 0 || gate->state == GATE_OPEN)
    return;
  gate->busy = true;
  /* what evhttp has not read yet of what passed before stays in front */
  evbuffer_remove_buffer(input, gate->passed, evbuffer_get_length(input) - change->n_added);
  evbuffer_add_buffer(gate->raw, input);
  evbuffer_add_buffer(input, gate->passed);
  while (step(gate))
    continue;
  gate->busy = false;
}

/* --- uploads -------------------------------------------------------------------------------------------------------
 */

HttpUpload *http_gate_upload(HttpGate *gate)
{
  return gate->upload ? http_upload_ref(gate->upload) : NULL;
}

void http_gate_read(HttpGate *gate, bool on)
{
  if (on)
    bufferevent_enable(gate->connection, EV_READ);
  else
    bufferevent_disable(gate->connection, EV_READ);
}

void http_gate_forget(HttpGate *gate, HttpUpload *upload)
{
  if (gate->upload != upload)
    return;
  gate->owes_leave = false;
  http_upload_end(g_steal_pointer(&gate->upload), false);
}

/* --- with the connection -------------------------------------------------------------------------------------------
 */

/* The gate lives as long as the connection's TLS. */
static void gate_free(void *ssl, void *data, CRYPTO_EX_DATA *all, int index, long number, void *more)
{
  HttpGate *gate = data;
  if (!gate)
    return;
  if (gate->upload)
    http_upload_end(gate->upload, false);
  evbuffer_free(gate->raw);
  evbuffer_free(gate->passed);
  evbuffer_free(gate->body);
  g_string_free(gate->head, TRUE);
  g_free(gate);
}

static int slot(void)
{
  static gsize made;
  if (g_once_init_enter(&made))
    g_once_init_leave(&made, (gsize)SSL_get_ex_new_index(0, NULL, NULL, NULL, gate_free) + 1);
  return (int)made - 1;
}

void http_gate_install(HttpLoop *loop, struct bufferevent *connection)
{
  HttpGate *gate = g_new0(HttpGate, 1);
  gate->loop = loop;
  gate->connection = connection;
  gate->raw = evbuffer_new();
  gate->passed = evbuffer_new();
  gate->body = evbuffer_new();
  gate->head = g_string_new(NULL);
  SSL_set_ex_data(bufferevent_openssl_get_ssl(connection), slot(), gate);
  evbuffer_add_cb(input_of(gate), on_input, gate);
}

HttpGate *http_gate_of(struct bufferevent *connection)
{
  return SSL_get_ex_data(bufferevent_openssl_get_ssl(connection), slot());
}
