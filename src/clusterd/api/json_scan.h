#pragma once
/* Looking at JSON text without building values: for what a parser does not tell (duplicate members by path) and for
 * what is not worth a parse (a body's kind). The scanner is lenient about scalars: whoever uses a value parses it. */
#include <glib.h>
#include <stdbool.h>

/* apiVersion and kind of the object in TEXT, NULL where absent or no string (both freed by the caller). False when the
 * text is not a JSON object as far as it was looked at. */
bool json_scan_type(const char *text, gsize length, char **api_version, char **kind);

/* The text of the member at PATH (NULL-terminated names, none of which needs an escape) of the object in TEXT; *VALUE
 * points into TEXT. False when there is none or the text is no JSON as far as it was looked at. */
bool json_scan_member(const char *text, gsize length, const char *const *path, const char **value, gsize *value_length);

/* The paths ("spec.containers[0].image") of members that are given more than once; at most MAXIMUM, in order. Strings.
 */
GPtrArray *json_scan_duplicates(const char *text, gsize length, unsigned maximum);
