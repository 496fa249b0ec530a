#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/server/node_access.h"

bool pod_log_request_read(const Query *query, PodLogRequest *log, GError **error)
{
  int64_t since_seconds = -1;
  const char *since_time = query_get(query, "sinceTime");
  log->follow = query_flag(query, "follow");
  log->previous = query_flag(query, "previous");
  log->timestamps = query_flag(query, "timestamps");
  log->tail_lines = log->limit_bytes = log->since_us = -1;
  if (!query_integer(query, "tailLines", &log->tail_lines, error) ||
      !query_integer(query, "limitBytes", &log->limit_bytes, error) ||
      !query_integer(query, "sinceSeconds", &since_seconds, error))
    return false;
  if (since_seconds >= 0)
    log->since_us = timestamp_now_us() - since_seconds * G_USEC_PER_SEC;
  if (since_time && !timestamp_parse(since_time, &log->since_us))
    return reason_set(error, REASON_BAD_REQUEST, "sinceTime: \"%s\" is not an RFC 3339 time", since_time);
  return true;
}
