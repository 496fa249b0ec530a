#include "clusterd/server/request_trace.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"

#define AUDIT_ID_MAX 64 /* characters of one that the client chose */
#define USER_AGENT_MAX 1024
/* What upstream's audit log tells only where it may tell of the object. */
#define PATCH_PREFIX "patch.webhook.admission.k8s.io/"
#define BODY_MAX (4u << 20) /* bytes of one object in an event; a larger one is left out */

struct RequestTrace {
  const Tracing *tracing;
  int64_t received_us; /* wall clock */
  int64_t begun_us;    /* monotonic */
  bool mutating, long_running, identified;
  int status;
  /* for the metrics */
  char *group, *version, *resource, *subresource;
  const char *verb, *scope;
  bool dry_run;
  /* for the audit log; EVENT is NULL when nothing is audited */
  AuditDecision decision;
  char *audit_id;
  json_t *event;      /* the members that all stages share */
  json_t *outcome;    /* responseStatus of an error; may be NULL */
  char *request_text; /* JSON of the bodies; may be NULL */
  char *response_text;
};

static void trace_free(RequestTrace *trace)
{
  g_free(trace->group);
  g_free(trace->version);
  g_free(trace->resource);
  g_free(trace->subresource);
  g_free(trace->audit_id);
  json_decref(trace->event);
  json_decref(trace->outcome);
  g_free(trace->request_text);
  g_free(trace->response_text);
  g_free(trace);
}

/* --- events --------------------------------------------------------------------------------------------------------
 */

static json_t *response_status(const RequestTrace *trace)
{
  json_t *status = trace->outcome ? json_copy(trace->outcome) : json_object();
  json_object_del(status, "kind");
  json_object_del(status, "apiVersion");
  if (!json_object_get(status, "metadata"))
    json_object_set_new(status, "metadata", json_object());
  json_object_set_new(status, "code", json_integer(trace->status));
  return status;
}

/* The annotations EVENT is to have. */
static void set_annotations(const RequestTrace *trace, json_t *event)
{
  const char *key;
  json_t *value, *all = json_object_get(trace->event, "annotations");
  if (!all || trace->decision.level >= AUDIT_REQUEST)
    return;
  json_t *told = json_object();
  json_object_foreach (all, key, value)
    if (!g_str_has_prefix(key, PATCH_PREFIX))
      json_object_set(told, key, value);
  json_object_set_new(event, "annotations", told);
}

/* The event's text, with the bodies in it as they are. */
static GBytes *event_bytes(const RequestTrace *trace, AuditStage stage)
{
  g_autoptr(json_t) event = json_copy(trace->event);
  g_autofree char *received = timestamp_text_micro(trace->received_us);
  g_autofree char *now = timestamp_text_micro(timestamp_now_us());
  json_object_set_new(event, "stage", json_string(audit_stage_name(stage)));
  json_object_set_new(event, "requestReceivedTimestamp", json_string(received));
  json_object_set_new(event, "stageTimestamp", json_string(now));
  if (stage != AUDIT_REQUEST_RECEIVED)
    json_object_set_new(event, "responseStatus", response_status(trace));
  set_annotations(trace, event);
  g_autofree char *text = json_text(event);
  GString *whole = g_string_new_len(text, (gssize)strlen(text) - 1); /* without the bracket at the end */
  if (trace->request_text && stage != AUDIT_REQUEST_RECEIVED)
    g_string_append_printf(whole, ",\"requestObject\":%s", trace->request_text);
  if (trace->response_text && stage == AUDIT_RESPONSE_COMPLETE)
    g_string_append_printf(whole, ",\"responseObject\":%s", trace->response_text);
  return g_string_free_to_bytes(g_string_append_c(whole, '}'));
}

static void write_stage(const RequestTrace *trace, AuditStage stage)
{
  if (trace->event && !(trace->decision.omitted & stage))
    audit_log_write(trace->tracing->log, event_bytes(trace, stage));
}

/* --- the answer ----------------------------------------------------------------------------------------------------
 */

static void answer_started(int status, bool streams, void *data)
{
  RequestTrace *trace = data;
  trace->status = status;
  trace->long_running = trace->long_running || streams;
  if (streams)
    metrics_count_running(trace->tracing->metrics, 1);
  if (streams)
    write_stage(trace, AUDIT_RESPONSE_STARTED);
}

static void answer_ended(bool streamed, void *data)
{
  RequestTrace *trace = data;
  RequestLabels labels = { .verb = trace->verb,
                           .group = trace->group ? trace->group : "",
                           .version = trace->version ? trace->version : "",
                           .resource = trace->resource ? trace->resource : "",
                           .subresource = trace->subresource ? trace->subresource : "",
                           .scope = trace->scope,
                           .dry_run = trace->dry_run };
  double seconds = (double)(g_get_monotonic_time() - trace->begun_us) / G_USEC_PER_SEC;
  metrics_count(trace->tracing->metrics, &labels, trace->status, seconds, trace->long_running);
  if (streamed)
    metrics_count_running(trace->tracing->metrics, -1);
  write_stage(trace, AUDIT_RESPONSE_COMPLETE);
  trace_free(trace);
}

static const HttpObserver observer = { .started = answer_started, .ended = answer_ended };

/* --- the request ---------------------------------------------------------------------------------------------------
 */

/* The client's own, or a new one: a version 4 UUID from a counter and a number nobody else has. */
static char *make_audit_id(const HttpRequest *http)
{
  static gsize seed;
  static guint counter;
  const char *given = http_header(http, "Audit-ID");
  if (given && *given && strlen(given) <= AUDIT_ID_MAX)
    return g_strdup(given);
  if (g_once_init_enter(&seed))
    g_once_init_leave(&seed, (((gsize)g_random_int() << 32) | g_random_int()) | 1);
  guint64 low = (guint64)g_atomic_int_add((gint *)&counter, 1) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) ^ seed;
  guint64 high = (low ^ (low >> 29)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
  return g_strdup_printf("%08x-%04x-4%03x-%04x-%012" G_GINT64_MODIFIER "x", (guint32)(high >> 32),
                         (guint16)(high >> 16), (guint)(high & 0xfff), (guint)(0x8000 | ((low >> 48) & 0x3fff)),
                         low & G_GUINT64_CONSTANT(0xffffffffffff));
}

RequestTrace *request_trace_begin(const Tracing *tracing, HttpRequest *http)
{
  RequestTrace *trace = g_new0(RequestTrace, 1);
  const char *method = http_method(http);
  trace->tracing = tracing;
  trace->received_us = timestamp_now_us();
  trace->begun_us = g_get_monotonic_time();
  trace->mutating = !g_str_equal(method, "GET") && !g_str_equal(method, "HEAD");
  trace->verb = method;
  trace->scope = "";
  trace->audit_id = make_audit_id(http);
  http_add_header(http, "Audit-Id", trace->audit_id);
  if (tracing->policy) {
    const char *agent = http_header(http, "User-Agent");
    g_autofree char *uri =
        *http_query(http) ? g_strconcat(http_path(http), "?", http_query(http), NULL) : g_strdup(http_path(http));
    trace->event = json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", "Event", "apiVersion", "audit.k8s.io/v1", "level", "",
                             "auditID", trace->audit_id, "stage", "");
    g_autofree char *valid = g_utf8_make_valid(uri, -1);
    json_object_set_new(trace->event, "requestURI", json_string(valid));
    if (agent) {
      g_autofree char *cut = g_utf8_make_valid(agent, (gssize)MIN(strlen(agent), USER_AGENT_MAX));
      json_object_set_new(trace->event, "userAgent", json_string(cut));
    }
  }
  http_observe(http, &observer, trace);
  return trace;
}

/* Who sent it, nearest last: what proxies say of it, and the other end of the connection. */
static json_t *source_addresses(const HttpRequest *http)
{
  json_t *addresses = json_array();
  const char *forwarded = http_header(http, "X-Forwarded-For"), *real = http_header(http, "X-Real-Ip");
  const char *peer = http_peer_address(http);
  g_auto(GStrv) parts = g_strsplit(forwarded ? forwarded : "", ",", 16);
  for (int i = 0; parts[i]; i++)
    if (g_hostname_is_ip_address(g_strstrip(parts[i])))
      json_array_append_new(addresses, json_string(parts[i]));
  if (real && g_hostname_is_ip_address(real))
    json_array_append_new(addresses, json_string(real));
  if (*peer)
    json_array_append_new(addresses, json_string(peer));
  return addresses;
}

static json_t *object_reference(const RequestInfo *info)
{
  const struct {
    const char *member, *value;
  } members[] = { { "resource", info->resource },  { "namespace", info->namespace_ },
                  { "name", info->name },          { "apiGroup", info->group },
                  { "apiVersion", info->version }, { "subresource", info->subresource } };
  json_t *reference = json_object();
  for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
    if (members[i].value && *members[i].value)
      json_object_set_new(reference, members[i].member, json_string(members[i].value));
  return reference;
}

/* What upstream calls the verb in its metrics. */
static const char *metric_verb(const RequestInfo *info, const char *method)
{
  static const char *const verbs[][2] = { { "list", "LIST" },
                                          { "watch", "WATCH" },
                                          { "deletecollection", "DELETECOLLECTION" } };
  for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
    if (g_str_equal(verbs[i][0], info->verb))
      return verbs[i][1];
  return g_str_equal(info->verb, "patch") ? "PATCH" : method;
}

static void take_labels(RequestTrace *trace, const RequestInfo *info)
{
  trace->verb = metric_verb(info, trace->verb);
  trace->group = g_strdup(info->group);
  trace->version = g_strdup(info->version);
  trace->resource = g_strdup(info->resource);
  trace->subresource = g_strdup(info->subresource);
  trace->scope = info->name || g_str_equal(info->verb, "create") ? "resource"
                 : info->namespace_                              ? "namespace"
                                                                 : "cluster";
}

void request_trace_identify(RequestTrace *trace, HttpRequest *http, const Identity *identity, const RequestInfo *info,
                            bool is_known, bool dry_run)
{
  trace->dry_run = dry_run;
  if (info && info->is_resource && is_known)
    take_labels(trace, info);
  if (!trace->event)
    return;
  trace->decision = audit_policy_decide(trace->tracing->policy, identity, info, http_path(http));
  if (trace->decision.level == AUDIT_NONE) {
    g_clear_pointer(&trace->event, json_decref);
    return;
  }
  json_t *event = trace->event;
  json_object_set_new(event, "level", json_string(audit_level_name(trace->decision.level)));
  json_object_set_new(event, "verb", json_string(info ? info->verb : ""));
  json_object_set_new(event, "user", identity ? identity_user_info(identity) : json_object());
  json_object_set_new(event, "sourceIPs", source_addresses(http));
  if (info && info->is_resource)
    json_object_set_new(event, "objectRef", object_reference(info));
  write_stage(trace, AUDIT_REQUEST_RECEIVED);
}

void request_trace_impersonate(RequestTrace *trace, const Identity *other)
{
  if (trace->event)
    json_object_set_new(trace->event, "impersonatedUser", identity_user_info(other));
}

bool request_trace_wants_reason(const RequestTrace *trace)
{
  return trace->event != NULL;
}

void request_trace_authorized(RequestTrace *trace, bool allowed, const char *why)
{
  json_t *annotations = request_trace_annotations(trace);
  if (!annotations)
    return;
  json_object_set_new(annotations, "authorization.k8s.io/decision", json_string(allowed ? "allow" : "forbid"));
  json_object_set_new(annotations, "authorization.k8s.io/reason", json_string(why ? why : ""));
}

json_t *request_trace_annotations(RequestTrace *trace)
{
  return trace->event ? json_ensure_object(trace->event, "annotations", NULL) : NULL;
}

/* --- bodies --------------------------------------------------------------------------------------------------------
 */

static bool wants_request(const RequestTrace *trace)
{
  return trace->event && trace->decision.level >= AUDIT_REQUEST;
}

static bool wants_response(const RequestTrace *trace)
{
  return trace->event && trace->decision.level >= AUDIT_REQUEST_RESPONSE;
}

/* Without the fields' owners where the policy says so; of a list, those of its items, too. */
static char *body_text(const RequestTrace *trace, const json_t *value)
{
  g_autoptr(json_t) copy = NULL;
  if (trace->decision.omit_managed_fields && json_is_object(value)) {
    copy = json_deep_copy(value);
    size_t i;
    json_t *item;
    json_object_del(json_object_get(copy, "metadata"), "managedFields");
    json_array_foreach (json_object_get(copy, "items"), i, item)
      json_object_del(json_object_get(item, "metadata"), "managedFields");
  }
  char *text = json_text(copy ? copy : value);
  if (strlen(text) > BODY_MAX)
    g_clear_pointer(&text, g_free);
  return text;
}

void request_trace_request(RequestTrace *trace, const json_t *value)
{
  if (!wants_request(trace))
    return;
  g_free(trace->request_text);
  trace->request_text = body_text(trace, value);
}

void request_trace_response(RequestTrace *trace, const json_t *value)
{
  if (!wants_response(trace))
    return;
  g_free(trace->response_text);
  trace->response_text = body_text(trace, value);
}

void request_trace_response_bytes(RequestTrace *trace, GBytes *bytes)
{
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  if (!wants_response(trace) || length > BODY_MAX)
    return;
  g_autoptr(json_t) value = trace->decision.omit_managed_fields ? json_loadb(text, length, 0, NULL) : NULL;
  g_free(trace->response_text);
  trace->response_text = value ? body_text(trace, value) : g_strndup(text, length);
}

void request_trace_status(RequestTrace *trace, const json_t *status)
{
  if (!trace->event)
    return;
  json_decref(trace->outcome);
  trace->outcome = json_deep_copy(status);
  request_trace_response(trace, status);
}
