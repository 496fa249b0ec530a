#pragma once
/* What is remembered of a request until its answer is complete, which may be long after its handler returned: for the
 * audit log and the metrics. Internal to the server. */
#include "clusterd/server/audit/audit_log.h"
#include "clusterd/server/audit/audit_policy.h"
#include "clusterd/server/http/http.h"
#include "clusterd/server/metrics.h"
#include "clusterd/server/request_info.h"

/* Where traces go; owned by the server, and not changed while requests run. */
typedef struct Tracing {
  AuditPolicy *policy; /* NULL: nothing is audited */
  AuditLog *log;
  Metrics *metrics;
} Tracing;

typedef struct RequestTrace RequestTrace;

/* Begins with HTTP, which from now on carries the trace; it is freed with the end of the answer. Sets the header
 * Audit-Id.
 */
RequestTrace *request_trace_begin(const Tracing *tracing, HttpRequest *http);

/* Says what the request HTTP is (INFO may be NULL; IS_KNOWN: about a resource there is), and from whom it came
 * (IDENTITY NULL: nobody is known). Decides what is audited, and writes the stage RequestReceived. */
void request_trace_identify(RequestTrace *trace, HttpRequest *http, const Identity *identity, const RequestInfo *info,
                            bool is_known, bool dry_run);

/* In whose name it is. */
void request_trace_impersonate(RequestTrace *trace, const Identity *other);

/* Whether the audit log wants to know why a decision was made. */
bool request_trace_wants_reason(const RequestTrace *trace);
void request_trace_authorized(RequestTrace *trace, bool allowed, const char *why);

/* The object admission puts its annotations in; borrowed, NULL when nothing is audited. Those of webhooks' patches are
 * left out at levels that tell nothing of the object. */
json_t *request_trace_annotations(RequestTrace *trace);

/* The bodies, kept where the policy wants them. VALUE and BYTES (JSON) are borrowed; they are taken as they are now. */
void request_trace_request(RequestTrace *trace, const json_t *value);
void request_trace_response(RequestTrace *trace, const json_t *value);
void request_trace_response_bytes(RequestTrace *trace, GBytes *bytes);

/* The Status an error is answered with; borrowed. */
void request_trace_status(RequestTrace *trace, const json_t *status);
