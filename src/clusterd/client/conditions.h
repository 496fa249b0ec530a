#pragma once
/* The status of an object: its list of conditions, and writing it back. */
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/client/client.h"

/* The condition of TYPE among CONDITIONS (an array or NULL), borrowed, or NULL. */
json_t *condition_in(const json_t *conditions, const char *type);

/* The condition of TYPE in STATUS (which holds `conditions`), borrowed, or NULL. */
json_t *condition_get(const json_t *status, const char *type);
bool condition_is(const json_t *status, const char *type, const char *value);

/* Sets the condition TYPE of STATUS in place. lastTransitionTime changes only when the condition's status does. True
 * when anything changed. */
bool condition_set(json_t *status, const char *type, const char *value, const char *reason, const char *message);

/* As condition_set for kinds whose conditions carry lastUpdateTime: nothing changes while status and reason stay. */
bool condition_set_updated(json_t *status, const char *type, const char *value, const char *reason,
                           const char *message);

/* Stamps lastUpdateTime of the condition TYPE, which must be there, and moves it to the end, where upstream has what
 * changed last. */
void condition_touch(json_t *status, const char *type);

bool condition_remove(json_t *status, const char *type);

/* Writes STATUS (borrowed) as the whole status of OBJECT through its status subresource, unless it is that already or
 * the object has been replaced by another of its name. *REVISION (may be NULL) gets the revision of what is stored now,
 * 0 when the object is gone, which is success. */
bool status_write(Client *client, const char *api_version, const char *plural, const Object *object,
                  const json_t *status, int64_t *revision, GError **error);
