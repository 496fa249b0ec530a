#include "clusterd/server/accept.h"

#include <string.h>

#define ACCEPT_ENTRIES_MAX 64

static const char *parameter(char *const *parts, const char *name)
{
  gsize length = strlen(name);
  for (int i = 1; parts[i]; i++) {
    const char *part = g_strstrip(parts[i]);
    if (strncmp(part, name, length) == 0 && part[length] == '=')
      return part + length + 1;
  }
  return NULL;
}

static bool parse_format(const char *type, ReplyFormat *format)
{
  static const struct {
    const char *type;
    ReplyFormat format;
  } types[] = {
    { "application/json", REPLY_JSON },
    { "application/vnd.kubernetes.protobuf", REPLY_PROTOBUF },
    { "*/*", REPLY_JSON },
    { "application/*", REPLY_JSON },
    { "application/yaml", REPLY_YAML },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
    if (g_ascii_strcasecmp(types[i].type, type) == 0) {
      *format = types[i].format;
      return true;
    }
  }
  return false;
}

/* ";as=Table;v=v1;g=meta.k8s.io" */
static bool parse_shape(char *const *parts, bool shapes, Accept *accept)
{
  const char *as = parameter(parts, "as");
  const char *version = parameter(parts, "v");
  if (!as) {
    accept->shape = REPLY_OBJECT;
    return true;
  }
  if (!shapes || g_strcmp0(parameter(parts, "g"), "meta.k8s.io") != 0)
    return false;
  if (!version || (!g_str_equal(version, "v1") && !g_str_equal(version, "v1beta1")))
    return false;
  accept->shape_version = g_str_equal(version, "v1") ? "v1" : "v1beta1";
  if (g_str_equal(as, "Table"))
    accept->shape = REPLY_TABLE;
  else if (g_str_equal(as, "PartialObjectMetadata") || g_str_equal(as, "PartialObjectMetadataList"))
    accept->shape = REPLY_PARTIAL;
  else
    return false;
  return true;
}

bool accept_parse(const char *header, bool shapes, Accept *accept)
{
  *accept = (Accept){ REPLY_JSON, REPLY_OBJECT, "v1" };
  if (!header || !*header)
    return true;
  g_auto(GStrv) entries = g_strsplit(header, ",", ACCEPT_ENTRIES_MAX);
  for (int i = 0; entries[i]; i++) {
    g_auto(GStrv) parts = g_strsplit(entries[i], ";", 16);
    if (!parts[0])
      continue;
    Accept candidate = *accept;
    /* a table in protobuf is not made by anybody */
    if (parse_format(g_strstrip(parts[0]), &candidate.format) && parse_shape(parts, shapes, &candidate) &&
        !(candidate.shape != REPLY_OBJECT && candidate.format == REPLY_PROTOBUF)) {
      *accept = candidate;
      return true;
    }
  }
  return false;
}

bool accept_takes(const char *header, const char *type)
{
  if (!header || !*header)
    return true;
  g_auto(GStrv) entries = g_strsplit(header, ",", ACCEPT_ENTRIES_MAX);
  for (int i = 0; entries[i]; i++) {
    g_auto(GStrv) parts = g_strsplit(entries[i], ";", 2);
    const char *given = parts[0] ? g_strstrip(parts[0]) : "";
    bool wildcard =
        g_str_equal(given, "*/*") || (g_str_has_suffix(given, "/*") && strncmp(given, type, strlen(given) - 1) == 0);
    if (wildcard || g_ascii_strcasecmp(given, type) == 0)
      return true;
  }
  return false;
}
