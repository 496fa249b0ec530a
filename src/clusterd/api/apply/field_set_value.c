#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "clusterd/api/apply/field_set.h"
#include "clusterd/api/custom/schema.h"
#include "clusterd/api/scheme.h"

#define SELF "."
#define OBJECT_META "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

/* How a value is divided into what can be owned. */
typedef enum ShapeKind {
  SHAPE_LEAF,   /* owned as a whole: scalars, atomic lists and maps */
  SHAPE_STRUCT, /* the fields of a message */
  SHAPE_MAP,    /* entries by name, of the field's element type */
  SHAPE_KEYED,  /* a list of objects told apart by some of their members */
  SHAPE_SET,    /* a list of scalars told apart by their value */
  SHAPE_ANY,    /* no schema: objects by member, all else as a whole */
} ShapeKind;

typedef struct Shape {
  ShapeKind kind;
  const ApiMessage *message; /* STRUCT of a message */
  const ApiField *field;     /* MAP, KEYED, SET of a message's field */
  const ApiSchema *schema; /* STRUCT, MAP, KEYED, SET as a schema has it; beside MESSAGE: of a whole custom resource */
} Shape;

static const Shape any_shape = { .kind = SHAPE_ANY };

static Shape shape_of_message(const ApiMessage *message)
{
  return (Shape){ .kind = SHAPE_STRUCT, .message = message, .schema = message->schema };
}

static Shape shape_of_element(const ApiField *field)
{
  if (field->type == API_MESSAGE)
    return shape_of_message(field->message);
  return (Shape){ .kind = field->type == API_RAW ? SHAPE_ANY : SHAPE_LEAF };
}

static Shape shape_of_field(const ApiField *field)
{
  if (!field)
    return any_shape;
  if (field->flags & API_FIELD_LIST) {
    ShapeKind kind = field->flags & API_FIELD_LIST_MAP && field->list_map_keys ? SHAPE_KEYED
                     : field->flags & API_FIELD_LIST_SET                       ? SHAPE_SET
                                                                               : SHAPE_LEAF;
    return (Shape){ .kind = kind, .field = field };
  }
  if (field->flags & API_FIELD_MAP_ATOMIC)
    return (Shape){ .kind = SHAPE_LEAF };
  if (field->flags & API_FIELD_MAP)
    return (Shape){ .kind = SHAPE_MAP, .field = field };
  return shape_of_element(field);
}

static Shape shape_of_schema(const ApiSchema *schema)
{
  if (!schema)
    return any_shape;
  switch (schema->type) {
  case SCHEMA_ARRAY: {
    ShapeKind kind = schema->list_type == SCHEMA_LIST_MAP   ? SHAPE_KEYED
                     : schema->list_type == SCHEMA_LIST_SET ? SHAPE_SET
                                                            : SHAPE_LEAF;
    return (Shape){ .kind = kind, .schema = schema };
  }
  case SCHEMA_OBJECT:
    if (schema->map_atomic)
      return (Shape){ .kind = SHAPE_LEAF };
    if (schema->properties || schema->embedded)
      return (Shape){ .kind = SHAPE_STRUCT, .schema = schema };
    return schema->additional ? (Shape){ .kind = SHAPE_MAP, .schema = schema } : any_shape;
  case SCHEMA_ANY:
    return schema->int_or_string ? (Shape){ .kind = SHAPE_LEAF } : any_shape;
  default:
    return (Shape){ .kind = SHAPE_LEAF };
  }
}

/* The items of a list, the entries of a map. */
static Shape shape_of_item(const Shape *shape)
{
  if (shape->field)
    return shape_of_element(shape->field);
  return shape_of_schema(shape->kind == SHAPE_MAP ? shape->schema->additional : shape->schema->items);
}

/* The field NAME of a message; NULL when there is none, or a schema knows better. */
static const ApiField *field_named(const Shape *shape, const char *name)
{
  return shape->kind == SHAPE_STRUCT && shape->message ? api_message_field(shape->message, name) : NULL;
}

/* Whether a struct tells of the member NAME by its name. */
static bool is_named(const Shape *shape, const char *name)
{
  if (shape->kind != SHAPE_STRUCT)
    return false;
  return field_named(shape, name) ||
         (shape->schema && shape->schema->properties && g_hash_table_contains(shape->schema->properties, name));
}

static Shape shape_of_member(const Shape *shape, const char *name)
{
  if (shape->kind == SHAPE_MAP)
    return shape_of_item(shape);
  if (shape->kind != SHAPE_STRUCT)
    return any_shape;
  const ApiField *field = field_named(shape, name);
  if (field || !shape->schema)
    return shape_of_field(field);
  if (shape->schema->embedded && strcmp(name, "metadata") == 0)
    return shape_of_message(api_builtin_message(OBJECT_META));
  return shape_of_schema(schema_member(shape->schema, name));
}

static Shape shape_of_child(const Shape *shape, const char *element)
{
  switch (shape->kind) {
  case SHAPE_STRUCT:
  case SHAPE_MAP:
    return shape_of_member(shape, element + 2);
  case SHAPE_KEYED:
  case SHAPE_SET:
    return shape_of_item(shape);
  default:
    return any_shape;
  }
}

/* What an absent key member counts as. New reference, or NULL. */
static json_t *key_default(const Shape *list, const char *name)
{
  if (list->field) {
    const ApiField *field = api_message_field(list->field->message, name);
    return field && field->default_json ? json_loads(field->default_json, JSON_DECODE_ANY, NULL) : NULL;
  }
  const ApiSchema *member = list->schema->items ? schema_member(list->schema->items, name) : NULL;
  return member ? json_incref(member->default_value) : NULL;
}

/* `k:{…}` of an item of a keyed list: its key members by name; an absent one counts as its default. */
static char *key_element(const Shape *list, const json_t *item)
{
  g_autoptr(json_t) key = json_object();
  const char *const *names =
      list->field ? list->field->list_map_keys : (const char *const *)list->schema->list_map_keys;
  for (const char *const *name = names; *name; name++) {
    json_t *value = json_object_get(item, *name);
    value = value ? json_incref(value) : key_default(list, *name);
    if (value)
      json_object_set_new(key, *name, value);
  }
  char *raw = json_dumps(key, JSON_COMPACT | JSON_SORT_KEYS);
  char *element = g_strconcat("k:", raw, NULL);
  free(raw);
  return element;
}

static char *list_element(const Shape *shape, const json_t *item)
{
  if (shape->kind == SHAPE_KEYED)
    return key_element(shape, item);
  g_autofree char *text = json_text(item);
  return g_strconcat("v:", text, NULL);
}

/* The parts VALUE has by SHAPE: path element → part, in order; new reference. NULL when it is owned as a whole. */
static json_t *parts_of(const Shape *shape, const json_t *value)
{
  bool list = shape->kind == SHAPE_KEYED || shape->kind == SHAPE_SET;
  if (shape->kind == SHAPE_LEAF || !(list ? json_is_array(value) : json_is_object(value)))
    return NULL;
  json_t *parts = json_object();
  const char *name;
  json_t *part;
  size_t i;
  json_array_foreach (value, i, part) {
    g_autofree char *element = list_element(shape, part);
    json_object_set(parts, element, part);
  }
  json_object_foreach ((json_t *)(uintptr_t)value, name, part) {
    g_autofree char *element = g_strconcat("f:", name, NULL);
    if (!json_is_null(part)) /* null is absent */
      json_object_set(parts, element, part);
  }
  return parts;
}

static json_t *leaf(void)
{
  return json_pack("{s:{}}", SELF);
}

/* The path element of the member NAME. The caller frees. */
static char *member_element(const char *name)
{
  return g_strconcat("f:", name, NULL);
}

/* True when VALUE is divided by SHAPE at all. */
static bool has_parts(const Shape *shape, const json_t *value)
{
  switch (shape->kind) {
  case SHAPE_LEAF:
    return false;
  case SHAPE_KEYED:
  case SHAPE_SET:
    return json_is_array(value);
  default:
    return json_is_object(value);
  }
}

static json_t *applied_set(const Shape *shape, const json_t *value);

/* Names of a message's fields are always there in principle; entries and items are not, so they are owned themselves.
 */
static void add_applied(json_t *set, const char *element, const Shape *child, const json_t *part, bool named)
{
  json_t *below = applied_set(child, part);
  if (!named || (json_is_object(part) && json_object_size(part) == 0))
    json_object_set_new(below, SELF, json_object());
  if (!field_set_is_empty(below))
    json_object_set(set, element, below);
  json_decref(below);
}

static json_t *applied_set(const Shape *shape, const json_t *value)
{
  if (!has_parts(shape, value))
    return leaf();
  json_t *set = json_object(), *part;
  const char *name;
  size_t i;
  json_object_foreach ((json_t *)(uintptr_t)value, name, part) {
    Shape child = shape_of_member(shape, name);
    g_autofree char *element = member_element(name);
    if (!json_is_null(part))
      add_applied(set, element, &child, part, is_named(shape, name));
  }
  json_array_foreach (value, i, part) {
    Shape child = shape_of_item(shape);
    g_autofree char *element = list_element(shape, part);
    add_applied(set, element, &child, part, false);
  }
  return set;
}

json_t *field_set_of_value(const ApiMessage *message, const json_t *value)
{
  Shape shape = shape_of_message(message);
  return applied_set(&shape, value);
}

/* Every path in VALUE and that of VALUE itself: what comes or goes with it. */
static json_t *whole_set(const Shape *shape, const json_t *value)
{
  json_t *set = leaf(), *part;
  const char *name;
  size_t i;
  if (!has_parts(shape, value))
    return set;
  json_object_foreach ((json_t *)(uintptr_t)value, name, part) {
    Shape child = shape_of_member(shape, name);
    g_autofree char *element = member_element(name);
    if (!json_is_null(part))
      json_object_set_new(set, element, whole_set(&child, part));
  }
  json_array_foreach (value, i, part) {
    Shape child = shape_of_item(shape);
    g_autofree char *element = list_element(shape, part);
    json_object_set_new(set, element, whole_set(&child, part));
  }
  return set;
}

static void compare(const Shape *shape, const json_t *old, const json_t *new_value, json_t *changed, json_t *removed);

static void keep_nonempty(json_t *set, const char *element, json_t *below)
{
  if (!field_set_is_empty(below))
    json_object_set(set, element, below);
  json_decref(below);
}

/* Compares one part that is there in NEW and not equal to OLD_PART, which is NULL when it was not there before. */
static void compare_part(const Shape *child, const char *element, const json_t *old_part, const json_t *new_part,
                         json_t *changed, json_t *removed)
{
  if (!old_part) {
    json_object_set_new(changed, element, whole_set(child, new_part));
  } else if (has_parts(child, old_part) && has_parts(child, new_part)) {
    json_t *changed_below = json_object(), *removed_below = json_object();
    compare(child, old_part, new_part, changed_below, removed_below);
    keep_nonempty(changed, element, changed_below);
    keep_nonempty(removed, element, removed_below);
  } else {
    json_object_set_new(changed, element, leaf());
  }
}

/* The member NAME; null is absent. */
static json_t *member_of(const json_t *object, const char *name)
{
  json_t *member = json_object_get(object, name);
  return json_is_null(member) ? NULL : member;
}

/* What differs is rare: elements are only written for that. Upstream's structs write some members even when they hold
 * nothing: those are never added, only filled. */
static void compare_objects(const Shape *shape, const json_t *old, const json_t *new_value, json_t *changed,
                            json_t *removed)
{
  const char *name;
  json_t *part;
  json_object_foreach ((json_t *)(uintptr_t)new_value, name, part) {
    json_t *old_part = member_of(old, name);
    if (json_is_null(part) || (old_part && json_equal(old_part, part)))
      continue;
    const ApiField *field = field_named(shape, name);
    Shape child = shape_of_member(shape, name);
    g_autofree char *element = member_element(name);
    g_autoptr(json_t) nothing = json_is_array(part) ? json_array() : json_object();
    if (!old_part && field && (field->flags & (API_FIELD_KEEP_EMPTY | API_FIELD_REQUIRED)) && has_parts(&child, part))
      old_part = nothing;
    compare_part(&child, element, old_part, part, changed, removed);
  }
  json_object_foreach ((json_t *)(uintptr_t)old, name, part) {
    if (json_is_null(part) || member_of(new_value, name))
      continue;
    Shape child = shape_of_member(shape, name);
    g_autofree char *element = member_element(name);
    json_object_set_new(removed, element, whole_set(&child, part));
  }
}

static void compare_lists(const Shape *shape, const json_t *old, const json_t *new_value, json_t *changed,
                          json_t *removed)
{
  g_autoptr(json_t) old_parts = parts_of(shape, old);
  g_autoptr(json_t) new_parts = parts_of(shape, new_value);
  Shape child = shape_of_item(shape);
  const char *element;
  json_t *part;
  json_object_foreach (new_parts, element, part) {
    const json_t *old_part = json_object_get(old_parts, element);
    if (!old_part || !json_equal(old_part, part))
      compare_part(&child, element, old_part, part, changed, removed);
  }
  json_object_foreach (old_parts, element, part)
    if (!json_object_get(new_parts, element))
      json_object_set_new(removed, element, whole_set(&child, part));
}

static void compare(const Shape *shape, const json_t *old, const json_t *new_value, json_t *changed, json_t *removed)
{
  if (shape->kind == SHAPE_KEYED || shape->kind == SHAPE_SET)
    compare_lists(shape, old, new_value, changed, removed);
  else
    compare_objects(shape, old, new_value, changed, removed);
}

void field_set_compare(const ApiMessage *message, const json_t *old, const json_t *new_value, json_t **changed,
                       json_t **removed)
{
  Shape shape = shape_of_message(message);
  g_autoptr(json_t) nothing = json_object();
  *changed = json_object();
  *removed = json_object();
  compare(&shape, old ? old : nothing, new_value, *changed, *removed);
}

/* Where each item of LIST stands: path element → index. New reference; NULL for objects. */
static json_t *places_of(const Shape *shape, const json_t *list)
{
  json_t *places = json_is_array(list) ? json_object() : NULL, *item;
  size_t i;
  json_array_foreach (list, i, item) {
    g_autofree char *element = list_element(shape, item);
    json_object_set_new(places, element, json_integer((json_int_t)i));
  }
  return places;
}

static void set_part(json_t *target, const json_t *places, const char *element, json_t *value)
{
  const json_t *place = json_object_get(places, element);
  if (json_is_object(target))
    json_object_set(target, element + 2, value);
  else if (place)
    json_array_set(target, (size_t)json_integer_value(place), value);
  else
    json_array_append(target, value);
}

static void merge_value(const Shape *shape, json_t *target, const json_t *config)
{
  g_autoptr(json_t) parts = parts_of(shape, config);
  g_autoptr(json_t) mine = parts_of(shape, target);
  g_autoptr(json_t) places = places_of(shape, target);
  const char *element;
  json_t *part;
  json_object_foreach (parts, element, part) {
    Shape child = shape_of_child(shape, element);
    json_t *existing = json_object_get(mine, element);
    g_autoptr(json_t) their_parts = parts_of(&child, part);
    g_autoptr(json_t) my_parts = existing ? parts_of(&child, existing) : NULL;
    if (their_parts && my_parts) {
      merge_value(&child, existing, part);
    } else {
      g_autoptr(json_t) copy = json_deep_copy(part);
      set_part(target, places, element, copy);
    }
  }
}

void field_set_merge(const ApiMessage *message, json_t *target, const json_t *config)
{
  Shape shape = shape_of_message(message);
  merge_value(&shape, target, config);
}

/* Removes from VALUE the parts that UNWANTED names. */
static void remove_parts(const Shape *shape, json_t *value, const json_t *unwanted)
{
  const char *element;
  json_t *ignored;
  for (size_t i = json_array_size(value); i-- > 0 && json_object_size(unwanted) > 0;) {
    g_autofree char *item = list_element(shape, json_array_get(value, i));
    if (json_object_get(unwanted, item))
      json_array_remove(value, i);
  }
  if (json_is_object(value))
    json_object_foreach ((json_t *)(uintptr_t)unwanted, element, ignored)
      json_object_del(value, element + 2);
}

static void prune(const Shape *shape, json_t *value, const json_t *last, const json_t *owned)
{
  g_autoptr(json_t) parts = parts_of(shape, value);
  g_autoptr(json_t) unwanted = json_object();
  const char *element;
  json_t *below;
  json_object_foreach ((json_t *)(uintptr_t)last, element, below) {
    json_t *part = json_object_get(parts, element), *owned_below = json_object_get(owned, element);
    if (part && owned_below) {
      Shape child = shape_of_child(shape, element);
      prune(&child, part, below, owned_below);
    } else if (part) {
      json_object_set_new(unwanted, element, json_true());
    }
  }
  remove_parts(shape, value, unwanted);
}

void field_set_prune(const ApiMessage *message, json_t *value, const json_t *last, const json_t *owned)
{
  Shape shape = shape_of_message(message);
  prune(&shape, value, last, owned);
}
