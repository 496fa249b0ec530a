#include "clusterd/api/openapi/openapi.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/openapi/openapi_parts.h"

json_t *openapi_v2(const ApiScheme *scheme)
{
  g_autoptr(GPtrArray) kinds = api_scheme_list(scheme);
  json_t *paths = json_object(), *definitions = json_object();
  g_auto(OpenApiWriter) writer = { 0 };
  openapi_writer_init(&writer, OPENAPI_DIALECT_V2, definitions, kinds);
  for (guint i = 0; i < kinds->len; i++)
    openapi_add_paths(&writer, paths, kinds->pdata[i]);
  return json_pack("{s:s, s:{s:s, s:s}, s:o, s:o}", "swagger", "2.0", "info", "title", OPENAPI_TITLE, "version",
                   OPENAPI_VERSION, "paths", paths, "definitions", definitions);
}

/* "api/v1" or "apis/apps/v1" of KIND. */
static char *version_path(const ApiKind *kind)
{
  g_autofree char *version = api_group_version(kind);
  return g_strconcat(*kind->group ? "apis/" : "api/", version, NULL);
}

json_t *openapi_v3(const ApiScheme *scheme, const char *group_version_path)
{
  g_autoptr(GPtrArray) all = api_scheme_list(scheme);
  g_autoptr(GPtrArray) kinds = g_ptr_array_new();
  for (guint i = 0; i < all->len; i++) {
    g_autofree char *path = version_path(all->pdata[i]);
    if (strcmp(path, group_version_path) == 0)
      g_ptr_array_add(kinds, all->pdata[i]);
  }
  if (kinds->len == 0)
    return NULL;
  json_t *paths = json_object(), *schemas = json_object();
  g_auto(OpenApiWriter) writer = { 0 };
  openapi_writer_init(&writer, OPENAPI_DIALECT_V3, schemas, kinds);
  for (guint i = 0; i < kinds->len; i++)
    openapi_add_paths(&writer, paths, kinds->pdata[i]);
  return json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:o}}", "openapi", "3.0.0", "info", "title", OPENAPI_TITLE, "version",
                   OPENAPI_VERSION, "paths", paths, "components", "schemas", schemas);
}

json_t *openapi_v3_index(const ApiScheme *scheme, char *(*hash_of)(const char *path, void *data), void *data)
{
  g_autoptr(GPtrArray) kinds = api_scheme_list(scheme);
  json_t *paths = json_object();
  for (guint i = 0; i < kinds->len; i++) {
    g_autofree char *path = version_path(kinds->pdata[i]);
    if (json_object_get(paths, path))
      continue;
    g_autofree char *hash = hash_of(path, data);
    g_autofree char *url = g_strdup_printf("/openapi/v3/%s?hash=%s", path, hash ? hash : "");
    json_object_set_new(paths, path, json_pack("{s:s}", "serverRelativeURL", url));
  }
  return json_pack("{s:o}", "paths", paths);
}
