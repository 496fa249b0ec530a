#pragma once
/*
 * Sets of field paths, as managedFields keeps them (FieldsV1), and how they come from values.
 *
 * In memory a set is a tree of JSON objects: a member `E` is the path element (`f:name`, `k:{"name":"c"}`, `v:"x"`),
 * its value the tree below it, and `.` says that the path itself belongs to the set. FieldsV1 writes a leaf
 * {"f:a":{".":{}}} shorter, as {"f:a":{}}. Source: KEP-555; sigs.k8s.io/structured-merge-diff/fieldpath.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/kind.h"

/* From and to FieldsV1. New references; members come out in upstream's order. A malformed value gives what of it is
 * sound. */
json_t *field_set_from_json(const json_t *fields);
json_t *field_set_to_json(const json_t *set);

/* New references. */
json_t *field_set_union(const json_t *a, const json_t *b);
json_t *field_set_minus(const json_t *a, const json_t *b);
json_t *field_set_both(const json_t *a, const json_t *b);
bool field_set_is_empty(const json_t *set);

/* True when FIELDS, in the form of FieldsV1, and SET have a path in common. */
bool field_set_touches(const json_t *fields, const json_t *set);

/* Adds the texts of all paths of SET (".spec.containers[name=\"c\"].image"), which the array frees. */
void field_set_paths(const json_t *set, GPtrArray *paths);

/* What an applier of VALUE owns: leaves, atomic values, list items and map entries. New reference. */
json_t *field_set_of_value(const ApiMessage *message, const json_t *value);

/* What differs between two values: paths only in OLD, and paths that are new or changed in NEW_VALUE. OLD may be NULL,
 * then it is an object of this message that holds nothing. New references. */
void field_set_compare(const ApiMessage *message, const json_t *old, const json_t *new_value, json_t **changed,
                       json_t **removed);

/* TARGET with CONFIG laid over it: objects and keyed lists are merged, all else is replaced. In place. */
void field_set_merge(const ApiMessage *message, json_t *target, const json_t *config);

/* Removes from VALUE what LAST names and OWNED does not know, neither itself nor anything below it. In place. */
void field_set_prune(const ApiMessage *message, json_t *value, const json_t *last, const json_t *owned);
