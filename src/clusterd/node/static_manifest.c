#include "clusterd/node/static_manifest.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/codec.h"
#include "clusterd/api/validation.h"

bool static_manifest_ignores(const char *name)
{
  return name[0] == '.';
}

const char *static_manifest_mirrored(const Object *pod)
{
  return json_str(json_at(object_json(pod), "metadata", "annotations", NULL), STATIC_MIRROR, NULL);
}

static bool is_json(const char *text, gsize length)
{
  gsize at = 0;
  while (at < length && g_ascii_isspace(text[at]))
    at++;
  return at < length && text[at] == '{';
}

static json_t *decode(const ApiKind *kind, const char *text, gsize length, GError **error)
{
  g_autofree char *api_version = NULL, *name = NULL;
  /* what begins like JSON may still be YAML's own way of writing objects */
  g_autoptr(json_t) json = is_json(text, length) ? json_parse(text, length, false, NULL) : NULL;
  CodecType type = json ? CODEC_JSON : CODEC_YAML;
  if (!codec_peek(type, text, length, &api_version, &name, error))
    return NULL;
  if (g_strcmp0(api_version, "v1") != 0 || g_strcmp0(name, "Pod") != 0) {
    reason_set(error, REASON_BAD_REQUEST, "it holds no Pod of v1 but %s of %s", name ? name : "nothing",
               api_version ? api_version : "no version");
    return NULL;
  }
  return codec_decode(type, kind->message, "v1", "Pod", text, length, FIELD_VALIDATION_IGNORE, NULL, error);
}

/* Nothing of the cluster drives a static pod away: only its file does. */
static void tolerate_all(json_t *spec)
{
  json_t *list = json_object_get(spec, "tolerations"), *item;
  size_t i;
  if (!json_is_array(list)) {
    list = json_array();
    json_object_set_new(spec, "tolerations", list);
  }
  json_array_foreach (list, i, item)
    if (g_str_equal(json_str(item, "operator", ""), "Exists") && g_str_equal(json_str(item, "key", ""), "") &&
        g_str_equal(json_str(item, "effect", ""), "NoExecute"))
      return;
  json_array_append_new(list, json_pack("{s:s, s:s}", "operator", "Exists", "effect", "NoExecute"));
}

static char *hash_of(const json_t *pod, const char *path, const char *node_name)
{
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_MD5); /* an identity of the shape upstream's has, no secret */
  g_autofree char *text = json_text_sorted(pod);
  g_autofree char *head = g_strdup_printf("host:%s\nfile:%s\n", node_name, path);
  g_checksum_update(sum, (const guchar *)head, -1);
  g_checksum_update(sum, (const guchar *)text, -1);
  return g_strdup(g_checksum_get_string(sum));
}

/* What the node decides of a pod from a file. */
static void complete(json_t *pod, const char *path, const char *node_name)
{
  g_autofree char *hash = hash_of(pod, path, node_name);
  g_autofree char *seen = timestamp_text_micro(timestamp_now_us());
  json_t *metadata = json_ensure_object(pod, "metadata", NULL), *spec = json_ensure_object(pod, "spec", NULL);
  const char *name = json_str(metadata, "name", "");
  g_autofree char *full = *name ? g_strdup_printf("%s-%s", name, node_name) : g_strdup("");
  json_object_set_new(metadata, "name", json_string(full));
  json_object_set_new(metadata, "namespace", json_string(json_str(metadata, "namespace", "default")));
  json_object_set_new(metadata, "uid", json_string(hash));
  json_t *annotations = json_ensure_object(metadata, "annotations", NULL);
  json_object_del(annotations, STATIC_MIRROR);
  json_object_set_new(annotations, STATIC_HASH, json_string(hash));
  json_object_set_new(annotations, STATIC_SOURCE, json_string("file"));
  json_object_set_new(annotations, STATIC_SEEN, json_string(seen));
  json_object_set_new(spec, "nodeName", json_string(node_name));
  tolerate_all(spec);
}

Object *static_manifest_parse(const ApiKind *kind, const char *path, const char *text, gsize length,
                              const char *node_name, GError **error)
{
  static const char *const servers[] = { "resourceVersion", "managedFields", "deletionTimestamp", "creationTimestamp",
                                         "deletionGracePeriodSeconds" };
  g_autoptr(json_t) pod = decode(kind, text, length, error);
  if (!pod)
    return NULL;
  json_object_del(pod, "status");
  for (gsize i = 0; i < G_N_ELEMENTS(servers); i++)
    json_object_del(json_object_get(pod, "metadata"), servers[i]);
  complete(pod, path, node_name);
  api_set_defaults(kind->message, pod);
  ApiWriteContext context = { 0 };
  if (!api_validate(kind, pod, NULL, &context, error))
    return NULL;
  json_object_set_new(json_object_get(pod, "metadata"), "resourceVersion", json_string("0"));
  json_object_set_new(pod, "status", json_pack("{s:s}", "phase", "Pending"));
  return object_new(kind, g_steal_pointer(&pod));
}

Object *static_manifest_read(const ApiKind *kind, const char *path, const char *node_name, GError **error)
{
  g_autoptr(GBytes) bytes = file_read(path, STATIC_MANIFEST_MAX, error);
  gsize length;
  const char *text = bytes ? g_bytes_get_data(bytes, &length) : NULL;
  if (!bytes)
    return NULL;
  return static_manifest_parse(kind, path, text ? text : "", length, node_name, error);
}

json_t *static_manifest_mirror(const Object *pod, const char *node_name, const char *node_uid)
{
  json_t *mirror = json_deep_copy(object_json(pod)), *metadata = json_object_get(mirror, "metadata");
  json_object_del(metadata, "uid");
  json_object_del(metadata, "resourceVersion");
  json_object_del(mirror, "status");
  json_object_set_new(json_object_get(metadata, "annotations"), STATIC_MIRROR, json_string(object_uid(pod)));
  if (node_uid)
    json_object_set_new(metadata, "ownerReferences",
                        json_pack("[{s:s, s:s, s:s, s:s, s:b}]", "apiVersion", "v1", "kind", "Node", "name", node_name,
                                  "uid", node_uid, "controller", true));
  return mirror;
}
