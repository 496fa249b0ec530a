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

/* The rules of spec.selector, spec.template and how they fit; KIND ("deployment") and PODS_OF ("ReplicaSet") are for
 * texts. The template's pods must restart always. */
void strategy_check_template(const json_t *object, const char *kind, const char *pods_of, FieldErrors *errors);

/* The pods of workloads that run on may only restart always, and may not end by themselves. */
void strategy_check_restarts(const json_t *spec, const char *pods_of, FieldErrors *errors);

/* A number or percentage: its value, the rule of both, and that a percentage is not more than 100. */
int64_t strategy_int_or_percent(const json_t *value);
void strategy_check_int_or_percent(const json_t *value, const char *path, FieldErrors *errors);
void strategy_check_whole(const json_t *value, const char *path, FieldErrors *errors);

/* The rules of a reference's kind and name, both required. */
void strategy_check_reference(const json_t *reference, const char *path, FieldErrors *errors);

/* Adds `PATH: Invalid value: …: field is immutable` when the members differ. */
void strategy_check_immutable(const json_t *value, const json_t *old, const char *path, FieldErrors *errors);
