#pragma once
/* What both programs want of JSON beyond jansson: bounded reading, paths, and defaults for absent members. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define JSON_TEXT_MAX (16u << 20) /* bytes a document may have; upstream's API limit is 3 MiB for a request */

/* jansson's json_auto_t needs json_decref; GLib code uses g_autoptr(json_t). */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* Parses LENGTH bytes of UTF-8 JSON. Duplicate keys are refused when STRICT. Returns a new reference, or NULL with
 * REASON_BAD_REQUEST and a message that names the place. */
json_t *json_parse(const char *text, size_t length, bool strict, GError **error);

/* Reads and parses a file of at most JSON_TEXT_MAX bytes. New reference; NULL with REASON_FILE or REASON_CONFIG. */
json_t *json_read_file(const char *path, GError **error);

/* Compact text, keys in their order. The caller frees. Never NULL: VALUE must be a valid JSON value. */
char *json_text(const json_t *value);

/* Indented by two spaces, for people. The caller frees. */
char *json_text_pretty(const json_t *value);

/* Compact, every object's keys in byte order. The caller frees. */
char *json_text_sorted(const json_t *value);

/* The member reached by walking KEYS (a NULL-terminated list of object keys). Borrowed; NULL when any step is absent
 * or not an object. VALUE may be NULL. */
json_t *json_at(const json_t *value, ...) G_GNUC_NULL_TERMINATED;

/* The string, integer or boolean member KEY of VALUE, or FALLBACK when it is absent or of another type. The string is
 * borrowed from VALUE. VALUE may be NULL. */
const char *json_str(const json_t *value, const char *key, const char *fallback);
int64_t json_int(const json_t *value, const char *key, int64_t fallback);
bool json_flag(const json_t *value, const char *key, bool fallback);

/* As json_at, made where absent: every missing step becomes an empty object. Borrowed. VALUE must be an object. */
json_t *json_ensure_object(json_t *value, ...) G_GNUC_NULL_TERMINATED;

/* Sets MEMBER of OBJECT to the array there (or an empty one) with ITEM (taken) at its end. It is a copy: who shares the
 * array sees no change. */
void json_append_to(json_t *object, const char *member, json_t *item);

/* Whether ARRAY holds the string TEXT. Both may be NULL. */
bool json_has_text(const json_t *array, const char *text);

/* The first object of ARRAY whose member KEY is the string TEXT; one without KEY counts as "". Borrowed; NULL: none.
 * ARRAY may be NULL. */
json_t *json_find(const json_t *array, const char *key, const char *text);

/* True when both are NULL or json_equal. */
bool json_same(const json_t *a, const json_t *b);
