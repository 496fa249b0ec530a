#pragma once
/* The query of a request: decoded names and values in their order. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define QUERY_MAX 1000 /* parameters; exec sends one for every word of a command */

typedef struct Query Query;

/* Never NULL; parameters beyond QUERY_MAX and malformed escapes are dropped. */
Query *query_parse(const char *text);
void query_free(Query *query);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Query, query_free)

/* The first value of NAME, or NULL. Borrowed. */
const char *query_get(const Query *query, const char *name);
/* All values of NAME, NULL-terminated; borrowed strings, the caller frees the array only. */
const char **query_all(const Query *query, const char *name);

/* The boolean of NAME as upstream reads it: absent, "false" and "0" are false. */
bool query_flag(const Query *query, const char *name);

/* The integer of NAME into *VALUE (untouched when absent). False with REASON_BAD_REQUEST. */
bool query_integer(const Query *query, const char *name, int64_t *value, GError **error);
