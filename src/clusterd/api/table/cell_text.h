#pragma once
/* What the files table_cells_*.c write their cells with. All results are new references or strings the caller frees. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "clusterd/api/table/table_cells.h"

/* The string at OBJECT's members, FALLBACK when it is absent or empty. */
json_t *cell_string(const json_t *value, const char *fallback);

/* The number VALUE, 0 when absent; and the boolean, FALLBACK when absent. */
json_t *cell_integer(const json_t *value);
json_t *cell_boolean(const json_t *value, bool fallback);

/* Takes TEXT: a cell of it, or of FALLBACK when it is empty. */
json_t *cell_take(char *text, const char *fallback);

/* "3m" since TIME (RFC 3339 text); "<unknown>" when there is none. */
json_t *cell_since(const json_t *time, int64_t now_us);
char *cell_since_text(const json_t *time, int64_t now_us);

/* A map as "a=b,c=d" in the order of its keys, "<none>" when empty. */
json_t *cell_labels(const json_t *map);

/* The members NAME of the objects in LIST, or its strings when NAME is NULL, with SEPARATOR between them. */
char *cell_join(const json_t *list, const char *name, const char *separator);

/* TEXTS with commas between them, "… + N more..." when there are COUNT but only MAX are shown. */
char *cell_join_more(GPtrArray *texts, unsigned count, unsigned max);

/* True when the list of conditions has TYPE with status "True". */
bool cell_condition_true(const json_t *conditions, const char *type);
