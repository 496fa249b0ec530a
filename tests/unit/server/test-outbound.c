/* Calls to other servers over real TLS: trust, names, failures, bounds, and calls that come back to their caller. */
#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <signal.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/x509.h"
#include "clusterd/server/http/http.h"
#include "clusterd/server/outbound/outbound.h"

#define CROWD (HTTP_WORKERS_MAX + 16)

typedef struct Fixture {
  char *folder;
  char *ca_pem, *other_pem;
  char *cert_file, *key_file, *ca_file;
  HttpServer *server;
  Outbound *outbound;
  char *base; /* https://127.0.0.1:PORT */
  GAsyncQueue *held;
} Fixture;

static char *pem_of(const X509Pair *pair)
{
  BIO *bio = BIO_new(BIO_s_mem());
  char *data;
  PEM_write_bio_X509(bio, pair->certificate);
  long length = BIO_get_mem_data(bio, &data);
  char *text = g_strndup(data, (gsize)length);
  BIO_free(bio);
  return text;
}

static void reply_json(HttpRequest *request, json_t *value)
{
  char *text = json_text(value);
  json_decref(value);
  http_reply(request, 200, "application/json", g_bytes_new_take(text, strlen(text)));
}

static json_t *post(Fixture *fixture, const char *path, unsigned seconds, GError **error)
{
  g_autofree char *url = g_strconcat(fixture->base, path, NULL);
  OutboundTarget target = { .url = url, .ca_pem = fixture->ca_pem };
  g_autoptr(json_t) body = json_pack("{s:s}", "say", "hello");
  return outbound_post_json(fixture->outbound, &target, body, seconds, error);
}

/* Asks the same server again, as a webhook does that looks something up. */
static void call_back(Fixture *fixture, HttpRequest *request)
{
  g_autoptr(GError) error = NULL;
  json_t *inner = post(fixture, "/echo", 20, &error);
  g_assert_no_error(error);
  reply_json(request, json_pack("{s:o}", "inner", inner));
}

static void handle(HttpRequest *request, void *data)
{
  Fixture *fixture = data;
  const char *path = http_path(request);
  if (g_str_equal(path, "/echo")) {
    gsize length;
    const char *text = g_bytes_get_data(http_body(request), &length);
    reply_json(request, json_pack("{s:s, s:s, s:s, s:s, s:o}", "method", http_method(request), "query",
                                  http_query(request), "type", http_header(request, "Content-Type"), "host",
                                  http_header(request, "Host"), "body", json_parse(text, length, true, NULL)));
  } else if (g_str_equal(path, "/back")) {
    call_back(fixture, request);
  } else if (g_str_equal(path, "/hold")) {
    g_async_queue_push(fixture->held, request);
  } else if (g_str_equal(path, "/long")) {
    void *body = g_malloc(OUTBOUND_REPLY_MAX + 1);
    memset(body, ' ', OUTBOUND_REPLY_MAX + 1);
    http_reply(request, 200, "application/json", g_bytes_new_take(body, OUTBOUND_REPLY_MAX + 1));
  } else if (g_str_equal(path, "/away")) {
    http_add_header(request, "Location", "/echo");
    http_reply(request, 302, NULL, NULL);
  } else if (g_str_equal(path, "/broken")) {
    http_reply(request, 500, "text/plain", g_bytes_new_static("out of luck", 11));
  } else if (g_str_equal(path, "/text")) {
    http_reply(request, 200, "text/plain", g_bytes_new_static("hello", 5));
  } else {
    http_reply(request, 404, NULL, NULL);
  }
}

static void setup(Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "hook.ns.svc", NULL };
  static const char *const addresses[] = { "127.0.0.1", NULL };
  X509Request wanted = { .common_name = "hook", .dns_names = names, .addresses = addresses, .server = true };
  wanted.lifetime_seconds = 3600;
  g_autoptr(GError) error = NULL;
  g_autoptr(X509Pair) ca = x509_new_authority("ca", 7200, &error);
  g_autoptr(X509Pair) other = x509_new_authority("other", 7200, &error);
  g_autoptr(X509Pair) leaf = x509_issue(ca, &wanted, &error);
  g_assert_no_error(error);
  fixture->folder = g_dir_make_tmp("outbound-XXXXXX", NULL);
  fixture->ca_pem = pem_of(ca);
  fixture->other_pem = pem_of(other);
  g_assert_true(x509_save(leaf, fixture->folder, "server", &error) && x509_save(ca, fixture->folder, "ca", &error));
  fixture->cert_file = g_build_filename(fixture->folder, "server.crt", NULL);
  fixture->key_file = g_build_filename(fixture->folder, "server.key", NULL);
  fixture->ca_file = g_build_filename(fixture->folder, "ca.crt", NULL);
  fixture->held = g_async_queue_new();
  fixture->outbound = outbound_new();
  HttpServerConfig config = { .address = "127.0.0.1",
                              .cert_file = fixture->cert_file,
                              .key_file = fixture->key_file,
                              .ca_file = fixture->ca_file,
                              .n_loops = 2,
                              .handler = handle,
                              .data = fixture };
  fixture->server = http_server_start(&config, &error);
  g_assert_no_error(error);
  fixture->base = g_strdup_printf("https://127.0.0.1:%u", http_server_port(fixture->server));
}

static void teardown(Fixture *fixture, gconstpointer data)
{
  static const char *const files[] = { "server.crt", "server.key", "ca.crt", "ca.key" };
  HttpRequest *request;
  outbound_free(fixture->outbound);
  while ((request = g_async_queue_try_pop(fixture->held)))
    http_reply(request, 200, NULL, NULL);
  http_server_stop(fixture->server);
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = g_build_filename(fixture->folder, files[i], NULL);
    g_unlink(path);
  }
  g_rmdir(fixture->folder);
  g_async_queue_unref(fixture->held);
  char *texts[] = { fixture->folder,   fixture->ca_pem,  fixture->other_pem, fixture->cert_file,
                    fixture->key_file, fixture->ca_file, fixture->base };
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(texts[i]);
}

static void test_post(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  for (int i = 0; i < 3; i++) {
    g_autoptr(json_t) reply = post(fixture, "/echo", 7, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(json_str(reply, "method", ""), ==, "POST");
    g_assert_cmpstr(json_str(reply, "query", ""), ==, "timeout=7s");
    g_assert_cmpstr(json_str(reply, "type", ""), ==, "application/json");
    g_assert_cmpstr(json_str(json_object_get(reply, "body"), "say", ""), ==, "hello");
  }
}

/* The name in the URL is verified and told to the server, wherever the connection goes. */
static void test_names(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL, wrong = NULL;
  g_autoptr(json_t) body = json_object();
  const char *address = fixture->base + strlen("https://");
  OutboundTarget target = { .url = "https://hook.ns.svc:443/echo?a=b", .connect_to = address };
  target.ca_pem = fixture->ca_pem;
  g_autoptr(json_t) reply = outbound_post_json(fixture->outbound, &target, body, 10, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(json_str(reply, "host", ""), ==, "hook.ns.svc");
  g_assert_cmpstr(json_str(reply, "query", ""), ==, "a=b&timeout=10s");
  target.url = "https://else.ns.svc:443/echo";
  g_assert_null(outbound_post_json(fixture->outbound, &target, body, 10, &wrong));
  g_assert_nonnull(strstr(wrong->message, "tls: failed to verify certificate"));
  target.insecure = true;
  g_autoptr(json_t) unverified = outbound_post_json(fixture->outbound, &target, body, 10, &error);
  g_assert_no_error(error);
  g_assert_nonnull(unverified);
}

static void test_trust(Fixture *fixture, gconstpointer data)
{
  g_autoptr(json_t) body = json_object();
  g_autofree char *url = g_strconcat(fixture->base, "/echo", NULL);
  g_autofree char *expected = g_strdup_printf(
      "Post \"%s?timeout=5s\": tls: failed to verify certificate: x509: certificate signed by unknown authority", url);
  const char *bundles[] = { fixture->other_pem, NULL };
  for (gsize i = 0; i < G_N_ELEMENTS(bundles); i++) {
    g_autoptr(GError) error = NULL;
    OutboundTarget target = { .url = url, .ca_pem = bundles[i] };
    g_assert_null(outbound_post_json(fixture->outbound, &target, body, 5, &error));
    g_assert_cmpstr(error->message, ==, expected);
  }
  /* a connection that one bundle allowed is not taken for another one */
  g_autoptr(GError) problem = NULL;
  g_autoptr(json_t) allowed = post(fixture, "/echo", 5, &problem);
  g_assert_nonnull(allowed);
  OutboundTarget target = { .url = url, .ca_pem = fixture->other_pem };
  g_assert_null(outbound_post_json(fixture->outbound, &target, body, 5, &problem));
}

static void test_failures(Fixture *fixture, gconstpointer data)
{
  static const struct {
    const char *path, *message;
  } cases[] = {
    { "/nowhere", "the server could not find the requested resource" },
    { "/broken", "an error on the server (\"out of luck\") has prevented the request from succeeding" },
    { "/away", "the server responded with the status code 302 but did not return more information" },
    { "/text", "couldn't get version/kind; json parse error: *" },
    { "/long", "Post \"*/long?timeout=10s\": the reply is too long" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(post(fixture, cases[i].path, 10, &error));
    if (!g_pattern_match_simple(cases[i].message, error->message))
      g_error("%s: %s", cases[i].path, error->message);
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) body = json_object();
  OutboundTarget target = { .url = "https://127.0.0.1:1/x" };
  g_assert_null(outbound_post_json(fixture->outbound, &target, body, 10, &error));
  g_assert_cmpstr(error->message, ==,
                  "Post \"https://127.0.0.1:1/x?timeout=10s\": dial tcp 127.0.0.1:1: connect: connection refused");
}

static void test_timeout(Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_assert_null(post(fixture, "/hold", 1, &error));
  g_assert_true(reason_is(error, REASON_TIMEOUT));
  g_assert_nonnull(strstr(error->message, "/hold?timeout=1s\": context deadline exceeded"));
}

static void *hold(void *data)
{
  GError *error = NULL;
  g_assert_null(post(data, "/hold", 30, &error));
  return error;
}

static void test_close(Fixture *fixture, gconstpointer data)
{
  GThread *thread = g_thread_new("hold", hold, fixture);
  g_async_queue_push(fixture->held, g_async_queue_pop(fixture->held)); /* it has come to the server */
  outbound_close(fixture->outbound);
  g_autoptr(GError) ended = g_thread_join(thread);
  g_autoptr(GError) refused = NULL;
  g_assert_nonnull(strstr(ended->message, "context canceled"));
  g_assert_null(post(fixture, "/echo", 30, &refused));
  g_assert_nonnull(strstr(refused->message, "context canceled"));
}

static void *ask_back(void *data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) reply = post(data, "/back", 25, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(json_str(json_at(reply, "inner", "body", NULL), "say", ""), ==, "hello");
  return NULL;
}

/* More requests than there are workers, each of which needs another worker to be answered. */
static void test_crowd(Fixture *fixture, gconstpointer data)
{
  GThread *threads[CROWD];
  for (int i = 0; i < CROWD; i++)
    threads[i] = g_thread_new("ask", ask_back, fixture);
  for (int i = 0; i < CROWD; i++)
    g_thread_join(threads[i]);
}

int main(int argc, char **argv)
{
  signal(SIGPIPE, SIG_IGN); /* as clusterd does */
  g_test_init(&argc, &argv, NULL);
#define TEST(path, function) g_test_add(path, Fixture, NULL, setup, function, teardown)
  TEST("/outbound/post", test_post);
  TEST("/outbound/names", test_names);
  TEST("/outbound/trust", test_trust);
  TEST("/outbound/failures", test_failures);
  TEST("/outbound/timeout", test_timeout);
  TEST("/outbound/close", test_close);
  TEST("/outbound/crowd", test_crowd);
  return g_test_run();
}
