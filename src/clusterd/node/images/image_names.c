/* Names of the images in a store: given and taken away. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/image_index.h"
#include "clusterd/node/images/image_reference.h"

/* Whether ID keeps a name when TEXT is gone. A digest does not count beside the tag it came with: nobody asked for it.
 */
static bool has_other_name(const json_t *index, const char *id, const char *text)
{
  const char *name;
  json_t *value;
  json_object_foreach (json_object_get(index, "references"), name, value)
    if (g_strcmp0(json_string_value(value), id) == 0 && !g_str_equal(name, text) &&
        (strchr(text, '@') || !strchr(name, '@')))
      return true;
  return false;
}

static void drop_image(json_t *index, const char *id)
{
  json_t *references = json_object_get(index, "references"), *value;
  const char *text;
  void *next;
  json_object_foreach_safe (references, next, text, value)
    if (g_strcmp0(json_string_value(value), id) == 0)
      json_object_del(references, text);
  json_object_del(json_object_get(index, "images"), id);
}

/* Takes TEXT out of INDEX, and the image with its last name. */
static bool drop(ImageStore *store, json_t *index, const char *text, GError **error)
{
  g_autofree char *id = g_strdup(image_index_lookup(index, text));
  if (!id)
    return reason_set(error, REASON_RUNTIME_NOT_FOUND, "image \"%s\" not found%s", text,
                      store->below ? " among those that were loaded" : "");
  bool last = g_str_equal(text, id) || !has_other_name(index, id, text);
  if (!json_object_get(json_object_get(index, "images"), id)) /* a name of an image that lies elsewhere */
    last = false;
  if (last && image_store_in_use(store, id))
    return reason_set(error, REASON_CONFLICT,
                      "conflict: unable to delete %s (cannot be forced) - image is being used by "
                      "a container",
                      text);
  if (last)
    drop_image(index, id);
  else
    json_object_del(json_object_get(index, "references"), text);
  return true;
}

bool image_store_remove(ImageStore *store, const char *reference, GError **error)
{
  g_autofree char *text = image_lookup_text(reference, error);
  if (!text)
    return false;
  file_autofd int held = image_store_hold(store, error);
  if (held < 0)
    return false;
  g_autoptr(json_t) index = image_index_read(store->dir, error);
  if (!index || !drop(store, index, text, error))
    return false;
  if (!image_index_write(store->dir, index, error))
    return false;
  image_store_sweep_unused(store, index);
  return true;
}

/* A name that may be given: not an id, and without a digest, which only a registry can give. */
static bool may_be_given(const char *text)
{
  return !image_digest_valid(text) && !strchr(text, '@');
}

bool image_store_tag(ImageStore *store, const char *source, const char *target, GError **error)
{
  g_autofree char *from = image_lookup_text(source, error);
  g_autofree char *to = from ? image_lookup_text(target, error) : NULL;
  if (!to)
    return false;
  if (!g_str_equal(from, to) && !may_be_given(to))
    return reason_set(error, REASON_BAD_REQUEST, "\"%s\" is not a name with a tag", target);
  file_autofd int held = image_store_hold(store, error);
  if (held < 0)
    return false;
  g_autoptr(Image) image = image_store_find(store, from, error);
  g_autoptr(json_t) index = image ? image_index_read(store->dir, error) : NULL;
  if (!index)
    return false;
  json_t *references = json_object_get(index, "references");
  if (g_str_equal(from, to) || g_strcmp0(json_str(references, to, NULL), image->id) == 0)
    return true;
  json_object_set_new(references, to, json_string(image->id));
  return image_index_write(store->dir, index, error);
}
