#pragma once
/* Names and amounts of resources, as containers, quotas and limit ranges judge them. */
#include <jansson.h>
#include <stdbool.h>

#include "base/quantity.h"
#include "clusterd/api/field_errors.h"

/* Whether Kubernetes itself gives NAME its meaning: without a prefix, or with one of kubernetes.io's. */
bool resource_is_native(const char *name);

/* Whether more of NAME may be promised than there is. */
bool resource_may_overcommit(const char *name);

/* The rules of a name: anywhere, in a container, in a quota. */
void resource_check_name(const char *name, const char *path, FieldErrors *errors);
void resource_check_container_name(const char *name, const char *path, FieldErrors *errors);
void resource_check_quota_name(const char *name, const char *path, FieldErrors *errors);

/* Whether quotas know NAME by itself. */
bool resource_is_quota_name(const char *name);

/* The amount NAME of a list of resources. False when there is none. */
bool resource_amount(const json_t *list, const char *name, Quantity *amount);

/* Not negative; whole, where only whole ones make sense. */
void resource_check_amount(const char *name, const json_t *value, const char *path, FieldErrors *errors);
