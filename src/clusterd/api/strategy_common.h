#pragma once
/* What several strategies share. */
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/field_errors.h"
#include "clusterd/api/kind.h"

/* Sets MEMBER to VALUE (a new reference, taken) when it is absent. */
void strategy_default(json_t *object, const char *member, json_t *value);

/* Makes OBJECT's member what it is in OLD: there, or absent. */
void strategy_carry(json_t *object, const json_t *old, const char *member);

/* A new object begins with an empty status, whatever the client says. */
void strategy_reset_status(json_t *object);

/* A write of the main resource keeps the old status; one of any subresource keeps the old spec and labels. */
void strategy_split_status(json_t *object, const json_t *old, const ApiWriteContext *context);

/* The rules of spec.selector, spec.template and how they fit; KIND ("deployment") is for texts. The template's pods
 * must restart always. */
void strategy_check_template(const json_t *object, const char *kind, FieldErrors *errors);

/* Adds `PATH: Invalid value: …: field is immutable` when the members differ. */
void strategy_check_immutable(const json_t *value, const json_t *old, const char *path, FieldErrors *errors);
