#pragma once
/*
 * JSONPath as kubectl and printer columns use it: `.a.b`, `['a']`, `[0]`, `[-1]`, `[1:3]`, `[*]`, `..a`, and filters
 * `[?(@.type=="Ready")]`. Compiled once; immutable, so any thread may use a path without a lock.
 * Source: https://kubernetes.io/docs/reference/kubectl/jsonpath/
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#define JSON_PATH_MAX 1024     /* bytes of a path */
#define JSON_PATH_STEPS_MAX 64 /* steps of a path, and of one inside a filter */

typedef struct JsonPath JsonPath;

/* NULL with REASON_INVALID. The caller frees. */
JsonPath *json_path_parse(const char *text, GError **error);
void json_path_free(JsonPath *path);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonPath, json_path_free)

/* The first value PATH finds in VALUE, borrowed; NULL when it finds none. */
json_t *json_path_first(const JsonPath *path, const json_t *value);
