#include "clusterd/server/request_info.h"

#include <string.h>

#include "base/reason.h"

void request_info_free(RequestInfo *info)
{
  if (!info)
    return;
  g_free(info->group);
  g_free(info->version);
  g_free(info->namespace_);
  g_free(info->resource);
  g_free(info->name);
  g_free(info->subresource);
  g_free(info->subpath);
  g_free(info);
}

static const char *plain_verb(const char *method)
{
  static const char *const verbs[][2] = { { "GET", "get" },        { "HEAD", "head" },   { "POST", "post" },
                                          { "PUT", "put" },        { "PATCH", "patch" }, { "DELETE", "delete" },
                                          { "OPTIONS", "options" } };
  for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
    if (g_str_equal(verbs[i][0], method))
      return verbs[i][1];
  return "";
}

static const char *resource_verb(const char *method, const RequestInfo *info, const Query *query, bool watch_path)
{
  static const char *const verbs[][2] = { { "POST", "create" }, { "PUT", "update" }, { "PATCH", "patch" } };
  if (g_str_equal(method, "GET") || g_str_equal(method, "HEAD")) {
    if (watch_path || (!info->subresource && query_flag(query, "watch")))
      return "watch";
    return info->name ? "get" : "list";
  }
  if (g_str_equal(method, "DELETE"))
    return info->name ? "delete" : "deletecollection";
  for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
    if (g_str_equal(verbs[i][0], method))
      return verbs[i][1];
  return "";
}

/* The non-empty segments of PATH, decoded. NULL when one cannot be. */
static char **split(const char *path)
{
  g_autoptr(GStrvBuilder) parts = g_strv_builder_new();
  g_auto(GStrv) raw = g_strsplit(path, "/", REQUEST_PARTS_MAX);
  for (int i = 0; raw[i]; i++) {
    g_autofree char *part = g_uri_unescape_string(raw[i], NULL);
    if (!part)
      return NULL;
    if (*part)
      g_strv_builder_add(parts, part);
  }
  return g_strv_builder_end(parts);
}

/* …/namespaces/NS/RESOURCE/NAME/SUBRESOURCE/SUBPATH; namespaces' own subresources look the same and are told apart by
 * name. */
static void parse_resource(RequestInfo *info, char **parts)
{
  static const char *const of_namespaces[] = { "status", "finalize", NULL };
  if (g_strcmp0(parts[0], "namespaces") == 0 && parts[1]) {
    info->namespace_ = g_strdup(parts[1]);
    if (parts[2] && !g_strv_contains(of_namespaces, parts[2]))
      parts += 2;
  }
  info->resource = g_strdup(parts[0]);
  info->name = parts[0] ? g_strdup(parts[1]) : NULL;
  info->subresource = info->name ? g_strdup(parts[2]) : NULL;
  if (info->subresource && parts[3])
    info->subpath = g_strjoinv("/", parts + 3);
  if (g_strcmp0(info->resource, "namespaces") == 0)
    g_clear_pointer(&info->namespace_, g_free); /* a namespace is in none */
}

RequestInfo *request_info_parse(const char *method, const char *path, const Query *query, GError **error)
{
  g_autoptr(RequestInfo) info = g_new0(RequestInfo, 1);
  g_auto(GStrv) parts = split(path);
  info->verb = plain_verb(method);
  if (!parts) {
    reason_set(error, REASON_BAD_REQUEST, "the path of the request cannot be decoded");
    return NULL;
  }
  guint count = g_strv_length(parts);
  bool core = count > 0 && g_str_equal(parts[0], "api");
  bool named = count > 0 && g_str_equal(parts[0], "apis");
  guint first = core ? 2 : 3; /* where the resource begins */
  if ((!core && !named) || count <= first)
    return g_steal_pointer(&info);
  info->group = g_strdup(core ? "" : parts[1]);
  info->version = g_strdup(parts[first - 1]);
  bool watch_path = g_str_equal(parts[first], "watch") && count > first + 1;
  parse_resource(info, parts + first + watch_path);
  info->is_resource = info->resource != NULL;
  info->verb = resource_verb(method, info, query, watch_path);
  return g_steal_pointer(&info);
}
