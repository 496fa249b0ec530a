#pragma once
/*
 * One stored version of one API object: immutable, shared by reference count between the store's cache, watches,
 * informers and requests. Keeps its serialized bytes so that GET, LIST and WATCH copy bytes and never serialize again,
 * and the parsed value, made on first use.
 */
#include <glib.h>
#include <jansson.h>

#include "clusterd/api/kind.h"
#include "clusterd/api/selector/selector.h"

typedef struct Object Object;

/* From a complete value (apiVersion, kind, metadata with name, uid, resourceVersion). Takes the reference to VALUE,
 * which nobody may change afterwards. */
Object *object_new(const ApiKind *kind, json_t *value);

/* From the bytes of object_bytes, as the store keeps them, with REVISION in place of metadata.resourceVersion. Takes a
 * reference to BYTES. NULL with REASON_INTERNAL when they are not such bytes; what is wrong further inside is found by
 * object_json, which logs it and gives a bare object. */
Object *object_from_bytes(const ApiKind *kind, GBytes *bytes, int64_t revision, GError **error);

/* OBJECT as it is at REVISION: the value is shared but for metadata.resourceVersion, nothing is serialized or parsed
 * again. For a write that the store has just given its revision. New reference. */
Object *object_with_revision(const Object *object, int64_t revision);

/* Another object that shares the bytes of OBJECT, but not its parsed value, and keeps none that object_value and
 * object_selected parse, of whatever kind it is: for what is kept long and rarely looked into. New reference. */
Object *object_twin(const Object *object);

Object *object_ref(Object *object);
void object_unref(Object *object);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Object, object_unref)

const ApiKind *object_kind(const Object *object);

/* The value, with apiVersion and kind. Borrowed; never changed: json_deep_copy it first. Thread-safe. */
json_t *object_json(const Object *object);

/* The value; new reference, never changed. Unlike object_json it does not keep what it parsed of a compact kind or a
 * twin. */
json_t *object_value(const Object *object);

/* metadata.NAME without parsing what is around it; new reference, NULL when absent. */
json_t *object_metadata(const Object *object, const char *name);

/* metadata.labels, kept once it was asked for; borrowed, NULL when there are none. */
const json_t *object_labels(const Object *object);

/* True when the selectors, each of which may be NULL, take OBJECT. */
bool object_selected(const Object *object, const LabelSelector *labels, const FieldSelector *fields);

/* The value as compact JSON in UTF-8, beginning with `{"kind":"K","apiVersion":"V",` so that a list item is `{` and
 * the bytes from object_item_offset on. metadata begins with resourceVersion, name, namespace and uid. Borrowed. */
GBytes *object_bytes(const Object *object);
gsize object_item_offset(const Object *object);

/* metadata members; borrowed; "" when absent. */
const char *object_name(const Object *object);
const char *object_namespace(const Object *object);
const char *object_uid(const Object *object);
int64_t object_revision(const Object *object);
