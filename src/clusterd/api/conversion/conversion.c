#include "clusterd/api/conversion/conversion.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A member that has one name in the version asked for and another in the stored one. */
typedef struct Renamed {
  const char *served, *stored;
} Renamed;

static const Renamed event_members[] = {
  { "regarding", "involvedObject" },
  { "note", "message" },
  { "reportingController", "reportingComponent" },
  { "deprecatedSource", "source" },
  { "deprecatedFirstTimestamp", "firstTimestamp" },
  { "deprecatedLastTimestamp", "lastTimestamp" },
  { "deprecatedCount", "count" },
};

static const char *event_member(const char *name, bool to_storage)
{
  for (size_t i = 0; i < sizeof event_members / sizeof event_members[0]; i++) {
    const char *from = to_storage ? event_members[i].served : event_members[i].stored;
    if (strcmp(name, from) == 0) {
      return to_storage ? event_members[i].stored : event_members[i].served;
    }
  }
  return name;
}

static json_t *convert_event(const json_t *object, const char *api_version, bool to_storage)
{
  json_t *result = json_object();
  const char *name;
  json_t *member;
  json_object_foreach ((json_t *)(uintptr_t)object, name, member) {
    if (strcmp(name, "apiVersion") == 0) {
      json_object_set_new(result, name, json_string(api_version));
    } else {
      json_object_set(result, event_member(name, to_storage), member);
    }
  }
  return result;
}

json_t *convert_events_v1_to_storage(const json_t *object)
{
  return convert_event(object, "v1", true);
}

json_t *convert_events_v1_from_storage(const json_t *object)
{
  return convert_event(object, "events.k8s.io/v1", false);
}
