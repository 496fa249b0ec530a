/* GET /metrics and /metrics/slis. */
#include <string.h>

#include "clusterd/server/api_request.h"
#include "clusterd/server/handlers/document_handler.h"
#include "clusterd/server/metrics.h"
#include "clusterd/server/registry/registry_private.h"
#include "clusterd/server/request_trace.h"
#include "config.h"

#define PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

typedef struct KindCount {
  char *name; /* "deployments.apps" */
  gint count;
} KindCount;

static void clear_count(void *data)
{
  g_free(((KindCount *)data)->name);
}

/* With the state locked: no more than counting. */
static GArray *count_objects(Registry *registry)
{
  GArray *counts = g_array_new(FALSE, FALSE, sizeof(KindCount));
  g_array_set_clear_func(counts, clear_count);
  GHashTableIter iter;
  void *value;
  g_rw_lock_reader_lock(&registry->state);
  g_hash_table_iter_init(&iter, registry->resources);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Resource *resource = value;
    KindCount count = { api_qualified_resource(resource->kind), g_tree_nnodes(resource->objects) };
    g_array_append_val(counts, count);
  }
  g_rw_lock_reader_unlock(&registry->state);
  return counts;
}

static void append_storage(ApiRequest *request, GString *text)
{
  g_autoptr(GArray) counts = count_objects(request->registry);
  g_string_append(text, "# HELP apiserver_storage_objects Stored objects of each kind.\n"
                        "# TYPE apiserver_storage_objects gauge\n");
  for (guint i = 0; i < counts->len; i++) {
    const KindCount *count = &g_array_index(counts, KindCount, i);
    g_string_append_printf(text, "apiserver_storage_objects{resource=\"%s\"} %d\n", count->name, count->count);
  }
  metrics_append_one(text, "apiserver_storage_revision", "counter", "The newest revision of the store.", "",
                     (double)registry_revision(request->registry));
}

static void append_audit(const Tracing *tracing, GString *text)
{
  uint64_t written = 0, lost = 0;
  if (tracing->log)
    audit_log_count(tracing->log, &written, &lost);
  metrics_append_one(text, "apiserver_audit_event_total", "counter", "Audit events sent to the log.", "",
                     (double)written);
  metrics_append_one(text, "apiserver_audit_error_total", "counter", "Audit events that were lost.",
                     "{plugin=\"buffered\"}", (double)lost);
}

void handle_metrics(ApiRequest *request, char *const *parts)
{
  g_autoptr(GString) text = g_string_new(NULL);
  const Tracing *tracing = api_server_tracing(request->server);
  if (parts[1] && (parts[2] || !g_str_equal(parts[1], "slis"))) {
    respond_text(request, 404, "text/plain; charset=utf-8", "404 page not found\n");
    return;
  }
  if (parts[1]) {
    health_append_metrics(request, text);
  } else {
    metrics_append(tracing->metrics, text);
    flow_control_append_metrics(api_server_flow(request->server), text);
    append_storage(request, text);
    append_audit(tracing, text);
    metrics_append_one(text, "kubernetes_build_info", "gauge", "What this server is.",
                       "{git_version=\"" API_SERVER_VERSION "\",major=\"1\",minor=\"32\",build=\"" PACKAGE_NAME
                       " " PACKAGE_VERSION "\"}",
                       1);
    metrics_append_process(text);
  }
  respond_text(request, 200, PROMETHEUS, text->str);
}
