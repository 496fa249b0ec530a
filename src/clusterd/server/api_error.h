#pragma once
/* The error texts and details every part of the server shares. Source: k8s.io/apimachinery/pkg/api/errors.
 * All set *ERROR and return false, like reason_set. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/reason.h"
#include "clusterd/api/kind.h"

/* Member of an error's details that the response writer moves to Status.metadata.continue. */
#define API_ERROR_CONTINUE "_continue"

/* Member of an error's details that is the whole Status of the answer. */
#define API_ERROR_STATUS "_status"

/* `{name, group, kind: plural}`, the details of an error about one object. New reference. */
json_t *api_error_details(const ApiKind *kind, const char *name);

/* `configmaps "a" not found`, 404. */
bool api_error_not_found(GError **error, const ApiKind *kind, const char *name);

/* `configmaps "a" already exists`, 409. */
bool api_error_exists(GError **error, const ApiKind *kind, const char *name);

/* The same when the server chose the name, and found none that is free. */
bool api_error_no_name_left(GError **error, const ApiKind *kind, const char *name);

/* `Operation cannot be fulfilled on configmaps "a": WHY`, 409; WHY NULL: the object has been modified. */
bool api_error_conflict(GError **error, const ApiKind *kind, const char *name, const char *why);

/* `pods "a" is forbidden: WHY`, 403. */
bool api_error_forbidden(GError **error, const ApiKind *kind, const char *name, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* The object KIND "NAME" is invalid for one reason: 422 with one cause {CAUSE, field, message}. */
bool api_error_invalid(GError **error, const char *kind, const char *group, const char *name, const char *cause,
                       const char *field, const char *format, ...) G_GNUC_PRINTF(7, 8);

/* What a patch made cannot be decoded: PATCHED shows it. Upstream names no object then. */
bool api_error_patch(GError **error, const char *patched, const char *why);

/* 405 with upstream's text. */
bool api_error_method(GError **error);

/* An answer that somebody else has made: STATUS (takes the reference) needs `code` and `message`. */
bool api_error_status(GError **error, json_t *status);
