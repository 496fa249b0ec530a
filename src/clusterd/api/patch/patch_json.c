#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/api/patch/patch.h"

/* RFC 6901 pointers and RFC 6902 operations on a private copy of the target. Upstream answers every operation that
 * cannot be applied with one generic text, so the steps below only say whether they worked. */

/* What all `copy` operations of one patch may add: a patch that copies the document into itself doubles it each time.
 */
enum { COPY_BYTES_MAX = 3 << 20 };

typedef struct Pointer {
  json_t *parent; /* borrowed; NULL: the pointer names the whole document */
  char *key;      /* the last step, unescaped */
} Pointer;

static void pointer_clear(Pointer *pointer)
{
  g_free(pointer->key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pointer, pointer_clear)

/* The index KEY names in an array of SIZE elements: decimal without leading zeros. */
static bool array_index(const char *key, size_t size, size_t *index)
{
  guint64 value;
  if ((key[0] == '0' && key[1]) || !g_ascii_string_to_unsigned(key, 10, 0, G_MAXUINT32, &value, NULL) || value >= size)
    return false;
  *index = (size_t)value;
  return true;
}

static json_t *child(const json_t *parent, const char *key)
{
  size_t index;
  if (json_is_object(parent))
    return json_object_get(parent, key);
  if (json_is_array(parent) && array_index(key, json_array_size(parent), &index))
    return json_array_get(parent, index);
  return NULL;
}

/* "~1" is "/" and "~0" is "~", in this order of decoding (RFC 6901 §4). */
static char *unescape(const char *step, gsize length)
{
  g_autofree char *raw = g_strndup(step, length);
  g_autoptr(GString) text = g_string_new(raw);
  g_string_replace(text, "~1", "/", 0);
  g_string_replace(text, "~0", "~", 0);
  return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Resolves TEXT up to its last step. False when a step before it is absent. */
static bool pointer_resolve(Pointer *pointer, json_t *document, const char *text)
{
  if (!text)
    return false;
  if (!*text)
    return true;
  if (*text != '/')
    return false;
  json_t *here = document;
  for (const char *at = text + 1;; at++) {
    gsize length = strcspn(at, "/");
    g_autofree char *key = unescape(at, length);
    at += length;
    if (!*at) {
      pointer->parent = here;
      pointer->key = g_steal_pointer(&key);
      return json_is_object(here) || json_is_array(here);
    }
    here = child(here, key);
    if (!here)
      return false;
  }
}

static json_t *pointer_value(const Pointer *pointer, json_t *document)
{
  return pointer->parent ? child(pointer->parent, pointer->key) : document;
}

/* Takes the reference to VALUE. */
static bool pointer_add(const Pointer *pointer, json_t **document, json_t *value)
{
  size_t size = json_array_size(pointer->parent), index = size;
  if (!value)
    return false;
  if (!pointer->parent) {
    json_decref(*document);
    *document = value;
    return true;
  }
  if (json_is_object(pointer->parent))
    return json_object_set_new(pointer->parent, pointer->key, value) == 0;
  if (strcmp(pointer->key, "-") != 0 && !array_index(pointer->key, size + 1, &index)) {
    json_decref(value);
    return false;
  }
  return json_array_insert_new(pointer->parent, index, value) == 0;
}

static bool pointer_remove(const Pointer *pointer)
{
  size_t index;
  if (json_is_object(pointer->parent))
    return json_object_del(pointer->parent, pointer->key) == 0;
  return json_is_array(pointer->parent) && array_index(pointer->key, json_array_size(pointer->parent), &index) &&
         json_array_remove(pointer->parent, index) == 0;
}

static bool pointer_replace(const Pointer *pointer, json_t **document, json_t *value)
{
  size_t index;
  if (!pointer_value(pointer, *document)) {
    json_decref(value);
    return false;
  }
  if (json_is_array(pointer->parent))
    return array_index(pointer->key, json_array_size(pointer->parent), &index) &&
           json_array_set_new(pointer->parent, index, value) == 0;
  return pointer_add(pointer, document, value);
}

static bool run_copy(json_t **document, const Pointer *to, const char *from_text, size_t *copied)
{
  g_auto(Pointer) from = { 0 };
  if (!pointer_resolve(&from, *document, from_text))
    return false;
  json_t *value = pointer_value(&from, *document);
  if (!value)
    return false;
  *copied += json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
  return *copied <= COPY_BYTES_MAX && pointer_add(to, document, json_deep_copy(value));
}

static bool run_move(json_t **document, const char *to_text, const char *from_text)
{
  g_auto(Pointer) from = { 0 };
  g_auto(Pointer) to = { 0 };
  if (!pointer_resolve(&from, *document, from_text))
    return false;
  g_autoptr(json_t) value = json_incref(pointer_value(&from, *document));
  if (!value || !pointer_remove(&from))
    return false;
  /* only now: removing may have shifted the indices on the way to the target */
  return pointer_resolve(&to, *document, to_text) && pointer_add(&to, document, g_steal_pointer(&value));
}

/* `test` takes an absent member and null for the same, as upstream's library does. */
static bool run_test(const Pointer *at, json_t *document, const json_t *expected)
{
  const json_t *value = pointer_value(at, document);
  if (!value || json_is_null(value))
    return !expected || json_is_null(expected);
  return json_equal(value, expected);
}

static bool run_operation(json_t **document, const json_t *operation, size_t *copied)
{
  const char *op = json_str(operation, "op", ""), *path = json_str(operation, "path", NULL);
  const char *from = json_str(operation, "from", NULL);
  json_t *value = json_object_get(operation, "value");
  if (strcmp(op, "move") == 0)
    return run_move(document, path, from);
  g_auto(Pointer) at = { 0 };
  if (!pointer_resolve(&at, *document, path))
    return false;
  if (strcmp(op, "add") == 0)
    return value && pointer_add(&at, document, json_deep_copy(value));
  if (strcmp(op, "replace") == 0)
    return value && pointer_replace(&at, document, json_deep_copy(value));
  if (strcmp(op, "remove") == 0)
    return pointer_remove(&at);
  if (strcmp(op, "copy") == 0)
    return run_copy(document, &at, from, copied);
  return strcmp(op, "test") == 0 && run_test(&at, *document, value);
}

static bool check_patch(const json_t *patch, GError **error)
{
  if (!json_is_array(patch))
    return reason_set(error, REASON_BAD_REQUEST, "error decoding patch: a JSON patch must be an array of operations");
  if (json_array_size(patch) > PATCH_JSON_OPERATIONS_MAX)
    return reason_set(error, REASON_REQUEST_TOO_LARGE,
                      "Request entity too large: The allowed maximum operations in a JSON patch is %d, got %zu",
                      PATCH_JSON_OPERATIONS_MAX, json_array_size(patch));
  size_t i;
  json_t *operation;
  json_array_foreach (patch, i, operation)
    if (!json_is_object(operation))
      return reason_set(error, REASON_BAD_REQUEST, "error decoding patch: operation %zu is not an object", i);
  return true;
}

json_t *patch_json(const json_t *target, const json_t *patch, GError **error)
{
  if (!check_patch(patch, error))
    return NULL;
  g_autoptr(json_t) document = json_deep_copy(target);
  size_t i, copied = 0;
  json_t *operation;
  json_array_foreach (patch, i, operation)
    if (!run_operation(&document, operation, &copied)) {
      g_debug("JSON patch: operation %zu (%s %s) cannot be applied", i, json_str(operation, "op", "?"),
              json_str(operation, "path", "?"));
      reason_set_details(error, REASON_INVALID, json_object(),
                         "the server rejected our request due to an error in our request");
      return NULL;
    }
  return g_steal_pointer(&document);
}
