#include "clusterd/node/node_events.h"

#include "base/json.h"

void node_event(Recorder *recorder, const char *name, const char *type, const char *reason, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  g_autoptr(json_t) about =
      json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "v1", "kind", "Node", "metadata", "name", name, "uid", name);
  recorder_event(recorder, about, NULL, type, reason, "%s", message);
}

void node_event_status(Recorder *recorder, const char *name, const char *reason)
{
  node_event(recorder, name, "Normal", reason, "Node %s status is now: %s", name, reason);
}
