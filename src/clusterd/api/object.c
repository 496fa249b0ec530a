#include "clusterd/api/object.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/json_scan.h"

/*
 * The serialized form is canonical so that nobody has to parse it to change what the store alone knows:
 *   {"kind":K,"apiVersion":V,"metadata":{"resourceVersion":R,"name":N,"namespace":S,"uid":U,…},…
 * (members that are absent are left out). object_from_bytes splices R and reads N, S and U by looking at the front.
 */
struct Object {
  gint references;
  guint16 item_offset;
  bool bytes_only; /* what is parsed for a moment's look is not kept */
  const ApiKind *kind;
  json_t *value;  /* made on first use; written once, atomically */
  GBytes *bytes;  /* likewise; at least one of the two is there from the start */
  json_t *labels; /* likewise, of an object without a value; JSON null: there are none */
  int64_t revision;
  const char *namespace_, *uid; /* in text, too */
  char text[];                  /* name, namespace and uid, each with its NUL: one allocation instead of four */
};

static const char *const identity_members[] = { "name", "namespace", "uid" };

/* The values of identity_members, borrowed; not terminated. */
typedef struct Identity {
  const char *text[3];
  gsize length[3];
} Identity;

static int append_callback(const char *buffer, size_t size, void *data)
{
  g_string_append_len(data, buffer, (gssize)size);
  return 0;
}

static void append_json(GString *text, const json_t *value)
{
  json_dump_callback(value, append_callback, text, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* `"key":value`, with a comma before it unless it is the first of its object. */
static void append_member(GString *text, const char *key, const json_t *value)
{
  g_autoptr(json_t) name = json_string(key);
  if (text->str[text->len - 1] != '{')
    g_string_append_c(text, ',');
  append_json(text, name);
  g_string_append_c(text, ':');
  append_json(text, value);
}

static bool is_identity_member(const char *key)
{
  for (size_t i = 0; i < G_N_ELEMENTS(identity_members); i++) {
    if (strcmp(key, identity_members[i]) == 0)
      return true;
  }
  return false;
}

static void append_metadata(GString *text, const json_t *metadata)
{
  const char *key;
  json_t *member;
  g_string_append(text, "\"metadata\":{");
  if ((member = json_object_get(metadata, "resourceVersion")))
    append_member(text, "resourceVersion", member);
  for (size_t i = 0; i < G_N_ELEMENTS(identity_members); i++) {
    if ((member = json_object_get(metadata, identity_members[i])))
      append_member(text, identity_members[i], member);
  }
  json_object_foreach ((json_t *)(uintptr_t)metadata, key, member) {
    if (strcmp(key, "resourceVersion") != 0 && !is_identity_member(key))
      append_member(text, key, member);
  }
  g_string_append_c(text, '}');
}

/* The length of text_prefix, without making it. */
static gsize item_offset(const ApiKind *kind)
{
  gsize group = *kind->group ? strlen(kind->group) + 1 : 0;
  return strlen("{\"kind\":\"\",\"apiVersion\":\"\",") + strlen(kind->kind) + group + strlen(kind->version);
}

static GString *text_prefix(const ApiKind *kind)
{
  GString *text = g_string_sized_new(1024);
  g_string_printf(text, "{\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\",", kind->kind, kind->group, *kind->group ? "/" : "",
                  kind->version);
  return text;
}

/* TEXT, freed, as bytes that take no more room than they need: they are kept as long as the object. */
static GBytes *take_bytes(GString *text)
{
  gsize length = text->len;
  char *exact = g_realloc(g_string_free(text, FALSE), MAX(length, 1));
  return g_bytes_new_take(exact, length);
}

static GBytes *serialize(const ApiKind *kind, const json_t *value)
{
  GString *text = text_prefix(kind);
  const char *key;
  json_t *member;
  append_metadata(text, json_object_get(value, "metadata"));
  json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
    if (strcmp(key, "kind") != 0 && strcmp(key, "apiVersion") != 0 && strcmp(key, "metadata") != 0)
      append_member(text, key, member);
  }
  g_string_append_c(text, '}');
  return take_bytes(text);
}

static Object *object_alloc(const ApiKind *kind, const Identity *identity)
{
  const gsize *length = identity->length;
  Object *object = g_malloc0(sizeof *object + length[0] + length[1] + length[2] + 3);
  char *namespace_ = object->text + length[0] + 1, *uid = namespace_ + length[1] + 1;
  memcpy(object->text, identity->text[0], length[0]);
  memcpy(namespace_, identity->text[1], length[1]);
  memcpy(uid, identity->text[2], length[2]);
  object->references = 1;
  object->item_offset = (guint16)item_offset(kind);
  object->bytes_only = kind->compact;
  object->kind = kind;
  object->namespace_ = namespace_;
  object->uid = uid;
  return object;
}

Object *object_new(const ApiKind *kind, json_t *value)
{
  const json_t *metadata = json_object_get(value, "metadata");
  Identity identity;
  for (gsize i = 0; i < G_N_ELEMENTS(identity_members); i++) {
    identity.text[i] = json_str(metadata, identity_members[i], "");
    identity.length[i] = strlen(identity.text[i]);
  }
  Object *object = object_alloc(kind, &identity);
  object->value = value;
  object->revision = g_ascii_strtoll(json_str(metadata, "resourceVersion", "0"), NULL, 10);
  return object;
}

/* Reads `"KEY":"VALUE"` (and a comma after it) at *CURSOR: VALUE, in place. Empty text when another member is there;
 * NULL when the value holds an escape, which no valid name does. */
static const char *scan_member(const char **cursor, const char *end, const char *key, gsize *length)
{
  char start[32];
  gsize start_length = (gsize)g_snprintf(start, sizeof start, "\"%s\":\"", key);
  *length = 0;
  if ((gsize)(end - *cursor) < start_length || memcmp(*cursor, start, start_length) != 0)
    return "";
  const char *value = *cursor + start_length, *quote = memchr(value, '"', (gsize)(end - value));
  if (!quote || memchr(value, '\\', (gsize)(quote - value)))
    return NULL;
  *cursor = quote + 1;
  if (*cursor < end && **cursor == ',')
    (*cursor)++;
  *length = (gsize)(quote - value);
  return value;
}

/* The identity that begins at CURSOR. False when it must be parsed for. */
static bool scan_identity(const char *cursor, const char *end, Identity *identity)
{
  for (gsize i = 0; i < G_N_ELEMENTS(identity_members); i++) {
    identity->text[i] = scan_member(&cursor, end, identity_members[i], &identity->length[i]);
    if (!identity->text[i])
      return false;
  }
  return true;
}

/* Where the members after metadata.resourceVersion begin in canonical bytes, or NULL when these are not canonical. */
static const char *after_version(const char *text, gsize length, const GString *prefix)
{
  static const char metadata[] = "\"metadata\":{";
  if (length < prefix->len + sizeof metadata || memcmp(text, prefix->str, prefix->len) != 0 ||
      memcmp(text + prefix->len, metadata, sizeof metadata - 1) != 0 || text[length - 1] != '}')
    return NULL;
  const char *cursor = text + prefix->len + sizeof metadata - 1;
  gsize version_length;
  return scan_member(&cursor, text + length, "resourceVersion", &version_length) ? cursor : NULL;
}

/* BYTES are not in the canonical form: the value is parsed and the form made from it. */
static Object *object_from_foreign_bytes(const ApiKind *kind, const char *text, gsize length, int64_t revision,
                                         GError **error)
{
  json_error_t where;
  g_autoptr(json_t) value = json_loadb(text, length, 0, &where);
  if (!json_is_object(value)) {
    reason_set(error, REASON_INTERNAL, "stored %s cannot be read: %s", kind->kind,
               value ? "not an object" : where.text);
    return NULL;
  }
  json_object_set_new(json_ensure_object(value, "metadata", NULL), "resourceVersion",
                      json_sprintf("%" G_GINT64_FORMAT, revision));
  return object_new(kind, g_steal_pointer(&value));
}

Object *object_from_bytes(const ApiKind *kind, GBytes *bytes, int64_t revision, GError **error)
{
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  g_autoptr(GString) spliced = text_prefix(kind);
  const char *rest = after_version(text, length, spliced);
  if (!rest)
    return object_from_foreign_bytes(kind, text, length, revision, error);
  const char *end = text + length;
  Identity identity;
  if (!scan_identity(rest, end, &identity))
    return object_from_foreign_bytes(kind, text, length, revision, error);
  g_string_append_printf(spliced, "\"metadata\":{\"resourceVersion\":\"%" G_GINT64_FORMAT "\"%s", revision,
                         *rest == '}' ? "" : ",");
  g_string_append_len(spliced, rest, end - rest);
  Object *object = object_alloc(kind, &identity);
  object->bytes = take_bytes(g_steal_pointer(&spliced));
  object->revision = revision;
  return object;
}

Object *object_with_revision(const Object *object, int64_t revision)
{
  g_autoptr(json_t) value = json_copy(object_json(object));
  g_autoptr(json_t) metadata = json_copy(json_object_get(value, "metadata"));
  json_object_set_new(metadata, "resourceVersion", json_sprintf("%" G_GINT64_FORMAT, revision));
  json_object_set(value, "metadata", metadata);
  g_autoptr(Object) result = object_from_bytes(object->kind, object_bytes(object), revision, NULL);
  if (!result || result->value)
    return result ? g_steal_pointer(&result) : object_new(object->kind, g_steal_pointer(&value));
  result->value = g_steal_pointer(&value);
  return g_steal_pointer(&result);
}

Object *object_twin(const Object *object)
{
  Identity identity = { { object->text, object->namespace_, object->uid },
                        { strlen(object->text), strlen(object->namespace_), strlen(object->uid) } };
  Object *twin = object_alloc(object->kind, &identity);
  twin->bytes = g_bytes_ref(object_bytes(object));
  twin->bytes_only = true;
  twin->revision = object->revision;
  return twin;
}

Object *object_ref(Object *object)
{
  g_atomic_int_inc(&object->references);
  return object;
}

void object_unref(Object *object)
{
  if (!object || !g_atomic_int_dec_and_test(&object->references))
    return;
  json_decref(object->value);
  json_decref(object->labels);
  g_clear_pointer(&object->bytes, g_bytes_unref);
  g_free(object);
}

const ApiKind *object_kind(const Object *object)
{
  return object->kind;
}

/* What stands for an object whose stored bytes turn out to be damaged: enough to list and delete it. */
static json_t *damaged_value(const Object *object, const char *why)
{
  g_autofree char *api_version = api_group_version(object->kind);
  g_critical("stored %s %s/%s cannot be read: %s", object->kind->kind, object->namespace_, object->text, why);
  return json_pack("{s:s, s:s, s:{s:o, s:s, s:s, s:s}}", "kind", object->kind->kind, "apiVersion", api_version,
                   "metadata", "resourceVersion", json_sprintf("%" G_GINT64_FORMAT, object->revision), "name",
                   object->text, "namespace", object->namespace_, "uid", object->uid);
}

static json_t *parse(const Object *object)
{
  gsize length;
  const char *text = g_bytes_get_data(object->bytes, &length);
  json_error_t where;
  json_t *value = json_loadb(text, length, 0, &where);
  return value ? value : damaged_value(object, where.text);
}

/* Puts MADE (taken) into SLOT unless another thread was faster; what is there then. */
static json_t *keep(json_t **slot, json_t *made)
{
  if (g_atomic_pointer_compare_and_exchange(slot, NULL, made))
    return made;
  json_decref(made);
  return g_atomic_pointer_get(slot);
}

json_t *object_json(const Object *object)
{
  Object *self = (Object *)(uintptr_t)object; /* the caches are not part of the object's value */
  json_t *value = g_atomic_pointer_get(&self->value);
  return value ? value : keep(&self->value, parse(object));
}

json_t *object_value(const Object *object)
{
  Object *self = (Object *)(uintptr_t)object;
  if (!object->bytes_only || g_atomic_pointer_get(&self->value))
    return json_incref(object_json(object));
  return parse(object);
}

json_t *object_metadata(const Object *object, const char *name)
{
  Object *self = (Object *)(uintptr_t)object;
  const json_t *value = g_atomic_pointer_get(&self->value);
  if (value)
    return json_incref(json_object_get(json_object_get(value, "metadata"), name));
  const char *const path[] = { "metadata", name, NULL };
  gsize length, member_length;
  const char *text = g_bytes_get_data(object->bytes, &length), *member;
  if (!json_scan_member(text, length, path, &member, &member_length))
    return NULL;
  return json_loadb(member, member_length, JSON_DECODE_ANY, NULL);
}

const json_t *object_labels(const Object *object)
{
  Object *self = (Object *)(uintptr_t)object;
  const json_t *value = g_atomic_pointer_get(&self->value);
  if (value)
    return json_object_get(json_object_get(value, "metadata"), "labels");
  json_t *labels = g_atomic_pointer_get(&self->labels);
  if (!labels) {
    labels = object_metadata(object, "labels");
    labels = keep(&self->labels, labels ? labels : json_null());
  }
  return json_is_null(labels) ? NULL : labels;
}

bool object_selected(const Object *object, const LabelSelector *labels, const FieldSelector *fields)
{
  Object *self = (Object *)(uintptr_t)object;
  if (labels && !label_selector_matches(labels, object_labels(object)))
    return false;
  if (!fields)
    return true;
  if (!object->bytes_only || g_atomic_pointer_get(&self->value))
    return field_selector_matches(fields, object_json(object));
  gsize length;
  const char *text = g_bytes_get_data(object->bytes, &length);
  return field_selector_matches_text(fields, text, length);
}

GBytes *object_bytes(const Object *object)
{
  Object *self = (Object *)(uintptr_t)object;
  GBytes *bytes = g_atomic_pointer_get(&self->bytes);
  if (bytes)
    return bytes;
  bytes = serialize(self->kind, self->value);
  if (g_atomic_pointer_compare_and_exchange(&self->bytes, NULL, bytes))
    return bytes;
  g_bytes_unref(bytes);
  return g_atomic_pointer_get(&self->bytes);
}

gsize object_item_offset(const Object *object)
{
  return object->item_offset;
}

const char *object_name(const Object *object)
{
  return object->text;
}

const char *object_namespace(const Object *object)
{
  return object->namespace_;
}

const char *object_uid(const Object *object)
{
  return object->uid;
}

int64_t object_revision(const Object *object)
{
  return object->revision;
}
