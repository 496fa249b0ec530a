#pragma once
/*
 * YAML 1.1 as Kubernetes uses it: a text is turned into the JSON value it stands for, and back.
 * Resolution of plain scalars follows the JSON schema plus YAML 1.1's booleans (yes/no/on/off), as
 * sigs.k8s.io/yaml does. Anchors and aliases are expanded within the bounds below; merge keys (<<) are applied.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#define YAML_DEPTH_MAX 100
#define YAML_NODES_MAX 1000000 /* after alias expansion: stops "billion laughs" */

/* The first document of LENGTH bytes of YAML, as JSON. An empty document is JSON null. New reference; NULL with
 * REASON_BAD_REQUEST naming line and column. */
json_t *yaml_parse(const char *text, size_t length, GError **error);

/* The same; of a key that is given twice the last one counts, and DUPLICATES (char*) gets a text about it. */
json_t *yaml_parse_lenient(const char *text, size_t length, GPtrArray *duplicates, GError **error);

/* Block-style YAML of VALUE, keys in their order, strings quoted where a plain scalar would mean something else.
 * The caller frees. */
char *yaml_text(const json_t *value);
