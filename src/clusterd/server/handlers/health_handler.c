/* /livez, /readyz, /healthz: whether the server lives, whether it should get requests, check by check.
 * Source: https://kubernetes.io/docs/reference/using-api/health-checks/ */
#include <string.h>

#include "base/reason.h"
#include "clusterd/server/api_request.h"
#include "clusterd/server/handlers/document_handler.h"
#include "clusterd/server/registry/registry_private.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"

/* As long as upstream waits for etcd. */
#define STORE_TIMEOUT_US (2 * G_USEC_PER_SEC)

/* What is known of the store: whoever comes while it is asked hears the same, and for a while after it did not answer
 * that is the answer, at once. */
struct StoreHealth {
  GMutex lock;
  GCond heard;
  bool asking, failed;
  gint64 failed_at; /* monotonic, us */
  unsigned round;   /* of answers */
};

#define STORE_FAILURE_US (2 * G_USEC_PER_SEC)

StoreHealth *store_health_new(void)
{
  StoreHealth *health = g_new0(StoreHealth, 1);
  g_mutex_init(&health->lock);
  g_cond_init(&health->heard);
  return health;
}

void store_health_free(StoreHealth *health)
{
  if (!health)
    return;
  g_cond_clear(&health->heard);
  g_mutex_clear(&health->lock);
  g_free(health);
}

static void ask_store(StoreHealth *health, Store *store)
{
  g_autoptr(GError) error = NULL;
  health->asking = true;
  g_mutex_unlock(&health->lock);
  bool answers = store_check(store, STORE_TIMEOUT_US, &error);
  if (error)
    g_debug("health check: the store does not answer: %s", error->message);
  g_mutex_lock(&health->lock);
  health->asking = false;
  health->failed = !answers;
  health->failed_at = g_get_monotonic_time();
  health->round++;
  g_cond_broadcast(&health->heard);
}

static bool store_is_well(StoreHealth *health, Store *store)
{
  g_autoptr(GMutexLocker) held = g_mutex_locker_new(&health->lock);
  if (health->failed && g_get_monotonic_time() - health->failed_at < STORE_FAILURE_US)
    return false;
  unsigned round = health->round;
  if (!health->asking)
    ask_store(health, store);
  while (health->round == round)
    g_cond_wait(&health->heard, &health->lock);
  return !health->failed;
}

/* One look at everything. The store is asked once for all checks that are about it. */
typedef struct Examination {
  ApiServer *server;
  Registry *registry;
  bool store_asked, store_answers;
} Examination;

static Examination examine(const ApiRequest *request)
{
  return (Examination){ .server = request->server, .registry = request->registry };
}

static bool is_well(Examination *examination)
{
  return true;
}

/* Upstream's name, whichever engine it is. */
static bool store_answers(Examination *examination)
{
  if (examination->store_asked)
    return examination->store_answers;
  examination->store_asked = true;
  examination->store_answers =
      store_is_well(api_server_store_health(examination->server), examination->registry->store);
  return examination->store_answers;
}

static bool components_run(Examination *examination)
{
  return api_server_is_ready(examination->server);
}

/* The bits say which paths a check is part of. */
enum { LIVEZ = 1 << 0, READYZ = 1 << 1, HEALTHZ = 1 << 2, ALL = LIVEZ | READYZ | HEALTHZ };

static const struct HealthCheck {
  const char *name;
  unsigned paths;
  bool (*check)(Examination *examination);
} checks[] = {
  { "ping", ALL, is_well },
  { "log", ALL, is_well },
  { "etcd", ALL, store_answers },
  { "etcd-readiness", READYZ, store_answers },
  { "informer-sync", READYZ, components_run },
  { "poststarthook/rbac/bootstrap-roles", ALL, is_well },
  { "poststarthook/scheduling/bootstrap-system-priority-classes", ALL, is_well },
  { "shutdown", READYZ, is_well },
};

static const struct HealthPath {
  const char *name;
  unsigned bit;
} paths[] = { { "healthz", HEALTHZ }, { "livez", LIVEZ }, { "readyz", READYZ } };

void health_add_paths(void (*add)(void *data, char *path), void *data)
{
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
    add(data, g_strconcat("/", paths[i].name, NULL));
    for (gsize j = 0; j < G_N_ELEMENTS(checks); j++)
      if (checks[j].paths & paths[i].bit)
        add(data, g_strconcat("/", paths[i].name, "/", checks[j].name, NULL));
  }
}

void health_append_metrics(ApiRequest *request, GString *text)
{
  g_string_append(text, "# HELP kubernetes_healthcheck Whether a health check passes.\n"
                        "# TYPE kubernetes_healthcheck gauge\n");
  Examination examination = examine(request);
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++)
    for (gsize j = 0; j < G_N_ELEMENTS(checks); j++)
      if (checks[j].paths & paths[i].bit)
        g_string_append_printf(text, "kubernetes_healthcheck{name=\"%s\",type=\"%s\"} %d\n", checks[j].name,
                               paths[i].name, checks[j].check(&examination));
}

/* One check by itself. */
static void answer_one(ApiRequest *request, unsigned bit, const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS(checks); i++) {
    if (!(checks[i].paths & bit) || !g_str_equal(checks[i].name, name))
      continue;
    Examination examination = examine(request);
    if (checks[i].check(&examination))
      respond_text(request, 200, TEXT_PLAIN, "ok");
    else
      respond_text(request, 500, TEXT_PLAIN, "internal server error: reason withheld\n");
    return;
  }
  respond_text(request, 404, TEXT_PLAIN, "404 page not found\n");
}

/* The exclusions that name no check, quoted, with commas. The caller frees. */
static char *unknown_exclusions(const char *const *excluded, unsigned bit)
{
  GString *text = g_string_new(NULL);
  for (int i = 0; excluded[i]; i++) {
    bool known = false;
    for (gsize j = 0; j < G_N_ELEMENTS(checks); j++)
      known = known || ((checks[j].paths & bit) && g_str_equal(checks[j].name, excluded[i]));
    if (!known)
      g_string_append_printf(text, "%s\"%s\"", text->len ? "," : "", excluded[i]);
  }
  return g_string_free(text, FALSE);
}

static void answer_all(ApiRequest *request, const struct HealthPath *path)
{
  g_autoptr(GString) text = g_string_new(NULL);
  g_autofree const char **excluded = query_all(request->query, "exclude");
  bool failed = false;
  Examination examination = examine(request);
  for (gsize i = 0; i < G_N_ELEMENTS(checks); i++) {
    if (!(checks[i].paths & path->bit))
      continue;
    bool skipped = g_strv_contains(excluded, checks[i].name);
    bool good = skipped || checks[i].check(&examination);
    failed = failed || !good;
    if (skipped)
      g_string_append_printf(text, "[+]%s excluded: ok\n", checks[i].name);
    else
      g_string_append_printf(text, good ? "[+]%s ok\n" : "[-]%s failed: reason withheld\n", checks[i].name);
  }
  g_autofree char *unknown = unknown_exclusions(excluded, path->bit);
  if (*unknown)
    g_string_append_printf(text, "warn: some health checks cannot be excluded: no matches for %s\n", unknown);
  g_string_append_printf(text, "%s check %s\n", path->name, failed ? "failed" : "passed");
  if (failed)
    respond_text(request, 500, TEXT_PLAIN, text->str);
  else
    respond_text(request, 200, TEXT_PLAIN, query_get(request->query, "verbose") ? text->str : "ok");
}

void handle_health(ApiRequest *request, char *const *parts)
{
  http_add_header(request->http, "X-Content-Type-Options", "nosniff");
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
    if (!g_str_equal(paths[i].name, parts[0]))
      continue;
    g_autofree char *check = parts[1] ? g_strjoinv("/", (char **)(uintptr_t)(parts + 1)) : NULL;
    if (check)
      answer_one(request, paths[i].bit, check);
    else
      answer_all(request, &paths[i]);
    return;
  }
}
