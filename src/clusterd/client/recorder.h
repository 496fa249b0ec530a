#pragma once
/* Events that people read in `kubectl describe`. Equal events within ten minutes become one with a count; recording
 * never blocks and never fails the caller. Source: client-go tools/record and its correlator. */
#include <glib.h>

#include "clusterd/client/client.h"

typedef struct Recorder Recorder;

Recorder *recorder_new(Client *client, const char *node_name /* source.host; may be NULL */);
void recorder_free(Recorder *recorder); /* writes what is still queued */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Recorder, recorder_free)

/* TYPE is "Normal" or "Warning". OBJECT is what the event is about. FIELD_PATH ("spec.containers{web}") may be NULL. */
void recorder_event(Recorder *recorder, const json_t *object, const char *field_path, const char *type,
                    const char *reason, const char *format, ...) G_GNUC_PRINTF(6, 7);

/* The same for programs to read as well: the event gets ANNOTATIONS ({name: text}; borrowed). */
void recorder_event_annotated(Recorder *recorder, const json_t *object, const json_t *annotations, const char *type,
                              const char *reason, const char *message);
