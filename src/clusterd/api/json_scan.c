#include "clusterd/api/json_scan.h"

#include <jansson.h>
#include <string.h>

#include "base/json.h"

#define SCAN_DEPTH_MAX 128

typedef struct JsonScan {
  const char *cursor, *end;
  unsigned depth;
} JsonScan;

static bool skip_value(JsonScan *scan);

static void skip_blanks(JsonScan *scan)
{
  while (scan->cursor < scan->end && strchr(" \t\r\n", *scan->cursor) && *scan->cursor)
    scan->cursor++;
}

static bool take(JsonScan *scan, char c)
{
  skip_blanks(scan);
  if (scan->cursor >= scan->end || *scan->cursor != c)
    return false;
  scan->cursor++;
  return true;
}

/* Steps over a string; START and LENGTH get its text with the quotes. */
static bool skip_string(JsonScan *scan, const char **start, gsize *length)
{
  skip_blanks(scan);
  *start = scan->cursor;
  if (!take(scan, '"'))
    return false;
  while (scan->cursor < scan->end && *scan->cursor != '"')
    scan->cursor += *scan->cursor == '\\' && scan->end - scan->cursor > 1 ? 2 : 1;
  if (scan->cursor >= scan->end)
    return false;
  scan->cursor++;
  *length = (gsize)(scan->cursor - *start);
  return true;
}

/* Reads a string into new memory. NULL when there is none or it cannot be decoded. */
static char *read_string(JsonScan *scan)
{
  const char *start;
  gsize length;
  if (!skip_string(scan, &start, &length))
    return NULL;
  if (!memchr(start, '\\', length))
    return g_strndup(start + 1, length - 2);
  g_autoptr(json_t) value = json_loadb(start, length, JSON_DECODE_ANY, NULL);
  return value ? g_strdup(json_string_value(value)) : NULL;
}

static bool skip_scalar(JsonScan *scan)
{
  const char *start = scan->cursor;
  while (scan->cursor < scan->end && (g_ascii_isalnum(*scan->cursor) || strchr("+-.", *scan->cursor)) && *scan->cursor)
    scan->cursor++;
  return scan->cursor > start;
}

/* Between the members of an object or array: true while another one follows. OK turns false when neither a comma nor
 * CLOSE is there. */
static bool next_member(JsonScan *scan, char close, bool first, bool *ok)
{
  if (take(scan, close))
    return false;
  if (!first && !take(scan, ',')) {
    *ok = false;
    return false;
  }
  return true;
}

static bool skip_container(JsonScan *scan, char close)
{
  bool ok = true;
  if (++scan->depth > SCAN_DEPTH_MAX)
    return false;
  for (bool first = true; ok && next_member(scan, close, first, &ok); first = false) {
    const char *start;
    gsize length;
    if (close == '}')
      ok = skip_string(scan, &start, &length) && take(scan, ':');
    ok = ok && skip_value(scan);
  }
  scan->depth--;
  return ok;
}

static bool skip_value(JsonScan *scan)
{
  const char *start;
  gsize length;
  skip_blanks(scan);
  if (scan->cursor >= scan->end)
    return false;
  if (*scan->cursor == '"')
    return skip_string(scan, &start, &length);
  if (take(scan, '{'))
    return skip_container(scan, '}');
  return take(scan, '[') ? skip_container(scan, ']') : skip_scalar(scan);
}

bool json_scan_type(const char *text, gsize length, char **api_version, char **kind)
{
  JsonScan scan = { text, text + length, 0 };
  g_autofree char *version_text = NULL, *kind_text = NULL;
  bool ok = take(&scan, '{');
  for (bool first = true; ok && next_member(&scan, '}', first, &ok); first = false) {
    g_autofree char *name = read_string(&scan);
    ok = name && take(&scan, ':');
    if (!ok)
      break;
    skip_blanks(&scan);
    char **wanted = strcmp(name, "apiVersion") == 0 ? &version_text : strcmp(name, "kind") == 0 ? &kind_text : NULL;
    if (wanted && scan.cursor < scan.end && *scan.cursor == '"') {
      g_free(*wanted);
      *wanted = read_string(&scan);
      ok = *wanted != NULL;
    } else {
      ok = skip_value(&scan);
    }
  }
  if (ok) {
    *api_version = g_steal_pointer(&version_text);
    *kind = g_steal_pointer(&kind_text);
  }
  return ok;
}

/* Steps to the value of the member NAME of the object at the cursor. */
static bool enter_member(JsonScan *scan, const char *name)
{
  gsize wanted = strlen(name);
  bool ok = take(scan, '{');
  for (bool first = true; ok && next_member(scan, '}', first, &ok); first = false) {
    const char *start;
    gsize length;
    if (!skip_string(scan, &start, &length) || !take(scan, ':'))
      return false;
    if (length == wanted + 2 && memcmp(start + 1, name, wanted) == 0)
      return true;
    ok = skip_value(scan);
  }
  return false;
}

bool json_scan_member(const char *text, gsize length, const char *const *path, const char **value, gsize *value_length)
{
  JsonScan scan = { text, text + length, 0 };
  for (; *path; path++)
    if (!enter_member(&scan, *path))
      return false;
  skip_blanks(&scan);
  *value = scan.cursor;
  if (!skip_value(&scan))
    return false;
  *value_length = (gsize)(scan.cursor - *value);
  return true;
}

static bool find_duplicates(JsonScan *scan, GString *path, GPtrArray *found, unsigned maximum);

static bool find_in_object(JsonScan *scan, GString *path, GPtrArray *found, unsigned maximum)
{
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  bool ok = true;
  for (bool first = true; ok && next_member(scan, '}', first, &ok); first = false) {
    g_autofree char *name = read_string(scan);
    if (!name || !take(scan, ':'))
      return false;
    gsize length = path->len;
    g_string_append_printf(path, "%s%s", length ? "." : "", name);
    if (!g_hash_table_add(seen, g_steal_pointer(&name)) && found->len < maximum)
      g_ptr_array_add(found, g_strdup(path->str));
    ok = find_duplicates(scan, path, found, maximum);
    g_string_truncate(path, length);
  }
  return ok;
}

static bool find_in_array(JsonScan *scan, GString *path, GPtrArray *found, unsigned maximum)
{
  bool ok = true;
  for (unsigned i = 0; ok && next_member(scan, ']', i == 0, &ok); i++) {
    gsize length = path->len;
    g_string_append_printf(path, "[%u]", i);
    ok = find_duplicates(scan, path, found, maximum);
    g_string_truncate(path, length);
  }
  return ok;
}

static bool find_duplicates(JsonScan *scan, GString *path, GPtrArray *found, unsigned maximum)
{
  bool ok;
  skip_blanks(scan);
  if (++scan->depth > SCAN_DEPTH_MAX)
    return false;
  if (take(scan, '{'))
    ok = find_in_object(scan, path, found, maximum);
  else if (take(scan, '['))
    ok = find_in_array(scan, path, found, maximum);
  else
    ok = skip_value(scan);
  scan->depth--;
  return ok;
}

GPtrArray *json_scan_duplicates(const char *text, gsize length, unsigned maximum)
{
  JsonScan scan = { text, text + length, 0 };
  g_autoptr(GString) path = g_string_new(NULL);
  GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
  find_duplicates(&scan, path, found, maximum);
  return found;
}
