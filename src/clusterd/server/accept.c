#include "clusterd/server/accept.h"

#include <string.h>

#include "base/reason.h"

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

static const struct {
  const char *type;
  ReplyFormat format;
} formats[] = {
  { "application/json", REPLY_JSON },
  { "application/vnd.kubernetes.protobuf", REPLY_PROTOBUF },
  { "*/*", REPLY_JSON },
  { "application/*", REPLY_JSON },
  { "application/yaml", REPLY_YAML },
};

static bool parse_format(const char *type, ReplyFormat *format)
{
  for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
    if (g_ascii_strcasecmp(formats[i].type, type) == 0) {
      *format = formats[i].format;
      return true;
    }
  }
  return false;
}

/* ";as=Table;v=v1;g=meta.k8s.io" */
static bool parse_shape(char *const *parts, const AcceptLimits *limits, Accept *accept)
{
  const char *as = parameter(parts, "as");
  const char *version = parameter(parts, "v");
  accept->shape = REPLY_OBJECT;
  if (!as)
    return true;
  if (!limits->shapes || g_strcmp0(parameter(parts, "g"), "meta.k8s.io") != 0)
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

/* One entry of the header. */
typedef struct Entry {
  char **parts; /* type and parameters */
  double quality;
  int place;
} Entry;

static void entry_clear(void *data)
{
  g_strfreev(((Entry *)data)->parts);
}

static int wildcards(const Entry *entry)
{
  const char *type = entry->parts[0];
  return g_str_has_prefix(type, "*/") ? 2 : g_str_has_suffix(type, "/*");
}

static int compare_entries(const void *a, const void *b)
{
  const Entry *first = a, *second = b;
  if (first->quality != second->quality)
    return first->quality > second->quality ? -1 : 1;
  int difference = wildcards(first) - wildcards(second);
  return difference ? difference : first->place - second->place;
}

/* The entries in the order of the client's preference. */
static GArray *parse_entries(const char *header)
{
  GArray *entries = g_array_new(FALSE, FALSE, sizeof(Entry));
  g_array_set_clear_func(entries, entry_clear);
  g_auto(GStrv) texts = g_strsplit(header, ",", ACCEPT_ENTRIES_MAX);
  for (int i = 0; texts[i]; i++) {
    Entry entry = { .parts = g_strsplit(texts[i], ";", 16), .quality = 1, .place = i };
    if (!entry.parts[0] || !*g_strstrip(entry.parts[0])) {
      entry_clear(&entry);
      continue;
    }
    const char *quality = parameter(entry.parts, "q");
    if (quality)
      entry.quality = g_ascii_strtod(quality, NULL);
    g_array_append_val(entries, entry);
  }
  g_array_sort(entries, compare_entries);
  return entries;
}

/* Two voices: the router, which looks at the types alone, and the negotiation, which knows what can be made. */
static bool refuse(const GArray *entries, const AcceptLimits *limits, GError **error)
{
  bool routed = false;
  ReplyFormat format;
  for (guint i = 0; i < entries->len; i++)
    routed = routed || parse_format(g_array_index(entries, Entry, i).parts[0], &format);
  if (!routed)
    return reason_set_details(
        error, REASON_NOT_ACCEPTABLE, json_object(),
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml%s%s%s",
        limits->protobuf ? ", application/vnd.kubernetes.protobuf" : "",
        limits->list ? ", application/json;stream=watch" : "",
        limits->list && limits->protobuf ? ", application/vnd.kubernetes.protobuf;stream=watch" : "");
  if (limits->stream)
    return reason_set(error, REASON_NOT_ACCEPTABLE,
                      "only the following media types are accepted: application/json;stream=watch%s",
                      limits->protobuf ? ", application/vnd.kubernetes.protobuf;stream=watch" : "");
  return reason_set(error, REASON_NOT_ACCEPTABLE,
                    "only the following media types are accepted: application/json, application/yaml%s",
                    limits->protobuf ? ", application/vnd.kubernetes.protobuf" : "");
}

bool accept_parse(const char *header, const AcceptLimits *limits, Accept *accept, GError **error)
{
  *accept = (Accept){ REPLY_JSON, REPLY_OBJECT, "v1" };
  if (!header || !*header)
    return true;
  g_autoptr(GArray) entries = parse_entries(header);
  for (guint i = 0; i < entries->len; i++) {
    char *const *parts = g_array_index(entries, Entry, i).parts;
    Accept candidate = *accept;
    if (!parse_format(parts[0], &candidate.format) || !parse_shape(parts, limits, &candidate))
      continue;
    bool possible = candidate.format == REPLY_JSON || (candidate.format == REPLY_YAML && !limits->stream) ||
                    (candidate.format == REPLY_PROTOBUF && limits->protobuf);
    /* a table in protobuf is not made by anybody */
    if (possible && !(candidate.shape == REPLY_TABLE && candidate.format == REPLY_PROTOBUF)) {
      *accept = candidate;
      return true;
    }
  }
  return entries->len == 0 || refuse(entries, limits, error);
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
