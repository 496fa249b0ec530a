#include "launcher/image_list.h"

#include <stdbool.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/yaml.h"

enum { COLUMNS = 4, SHORT_ID = 13 };

const char *const image_list_formats[] = { "short", "table", "json", "yaml", NULL };

static const char *bare_id(const json_t *image)
{
  const char *id = json_str(image, "id", "");
  return g_str_has_prefix(id, "sha256:") ? id + strlen("sha256:") : id;
}

/* Tags, else digests: what a person can name the image by. */
static const json_t *names_of(const json_t *image)
{
  const json_t *tags = json_object_get(image, "repoTags");
  return json_array_size(tags) > 0 ? tags : json_object_get(image, "repoDigests");
}

static int compare_text(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *short_text(const json_t *images)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  GString *text = g_string_new(NULL);
  size_t i, j;
  json_t *image, *name;
  json_array_foreach (images, i, image)
    json_array_foreach (names_of(image), j, name)
      g_ptr_array_add(names, (gpointer)(guintptr)json_string_value(name));
  g_ptr_array_sort(names, compare_text);
  for (guint k = 0; k < names->len; k++)
    g_string_append_printf(text, "%s\n", (const char *)names->pdata[k]);
  return g_string_free(text, FALSE);
}

/* --- the table -------------------------------------------------------------------------------------------------------
 */

/* Three significant digits and a decimal unit: "742kB", "4.43MB". */
static char *human_size(const char *bytes)
{
  static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
  double size = g_ascii_strtod(bytes, NULL);
  size_t unit = 0;
  for (; size >= 999.5 && unit + 1 < G_N_ELEMENTS(units); unit++)
    size /= 1000;
  return g_strdup_printf("%.3g%s", size, units[unit]);
}

static void row_free(gpointer row)
{
  g_strfreev(row);
}

/* NAME is "repository:tag" or "repository@digest"; the repository may begin with "host:port/". */
static void add_row(GPtrArray *rows, const json_t *image, const char *name)
{
  char **row = g_new0(char *, COLUMNS + 1);
  const char *slash = strrchr(name, '/'), *at = strchr(name, '@');
  const char *colon = strchr(slash ? slash : name, ':');
  const char *end = at ? at : colon ? colon : name + strlen(name);
  row[0] = g_strndup(name, (gsize)(end - name));
  row[1] = g_strdup(at || !colon ? "<none>" : colon + 1);
  row[2] = g_strndup(bare_id(image), SHORT_ID);
  row[3] = human_size(json_str(image, "size", "0"));
  g_ptr_array_add(rows, row);
}

static int compare_rows(gconstpointer a, gconstpointer b)
{
  char *const *one = *(char *const *const *)a, *const *other = *(char *const *const *)b;
  int names = strcmp(one[0], other[0]);
  return names != 0 ? names : strcmp(one[1], other[1]);
}

static GPtrArray *make_rows(const json_t *images)
{
  GPtrArray *rows = g_ptr_array_new_with_free_func(row_free);
  size_t i, j;
  json_t *image, *name;
  json_array_foreach (images, i, image) {
    json_array_foreach (names_of(image), j, name)
      add_row(rows, image, json_string_value(name));
    if (json_array_size(names_of(image)) == 0)
      add_row(rows, image, "<none>");
  }
  g_ptr_array_sort(rows, compare_rows);
  return rows;
}

static void append_repeated(GString *text, const char *piece, gsize count)
{
  for (gsize i = 0; i < count; i++)
    g_string_append(text, piece);
}

static void append_rule(GString *text, const gsize *widths, const char *left, const char *middle, const char *right)
{
  for (int i = 0; i < COLUMNS; i++) {
    g_string_append(text, i == 0 ? left : middle);
    append_repeated(text, "─", widths[i] + 2);
  }
  g_string_append_printf(text, "%s\n", right);
}

static void append_cells(GString *text, const gsize *widths, const char *const *cells, bool centred)
{
  for (int i = 0; i < COLUMNS; i++) {
    gsize room = widths[i] - strlen(cells[i]);
    gsize before = centred ? room / 2 : 0;
    g_string_append(text, i == 0 ? "│ " : " │ ");
    append_repeated(text, " ", before);
    g_string_append(text, cells[i]);
    append_repeated(text, " ", room - before);
  }
  g_string_append(text, " │\n");
}

static char *table_text(const json_t *images)
{
  static const char *const titles[COLUMNS] = { "IMAGE", "TAG", "IMAGE ID", "SIZE" };
  g_autoptr(GPtrArray) rows = make_rows(images);
  GString *text = g_string_new(NULL);
  gsize widths[COLUMNS];
  for (int i = 0; i < COLUMNS; i++) {
    widths[i] = strlen(titles[i]);
    for (guint j = 0; j < rows->len; j++)
      widths[i] = MAX(widths[i], strlen(((char **)rows->pdata[j])[i]));
  }
  append_rule(text, widths, "┌", "┬", "┐");
  append_cells(text, widths, titles, true);
  append_rule(text, widths, "├", "┼", "┤");
  for (guint j = 0; j < rows->len; j++)
    append_cells(text, widths, rows->pdata[j], false);
  append_rule(text, widths, "└", "┴", "┘");
  return g_string_free(text, FALSE);
}

/* --- all forms -------------------------------------------------------------------------------------------------------
 */

static bool is_string_list(const json_t *list)
{
  size_t i;
  json_t *item;
  json_array_foreach (list, i, item)
    if (!json_is_string(item))
      return false;
  return json_is_array(list);
}

static bool is_image_list(const json_t *images)
{
  size_t i;
  json_t *image;
  json_array_foreach (images, i, image)
    if (!json_is_string(json_object_get(image, "id")) || !json_is_string(json_object_get(image, "size")) ||
        !is_string_list(json_object_get(image, "repoTags")) || !is_string_list(json_object_get(image, "repoDigests")))
      return false;
  return json_is_array(images);
}

/* The members in minikube's order. */
static json_t *public_list(const json_t *images)
{
  json_t *list = json_array(), *image;
  size_t i;
  json_array_foreach (images, i, image)
    json_array_append_new(list, json_pack("{s:s, s:O, s:O, s:O}", "id", bare_id(image), "repoDigests",
                                          json_object_get(image, "repoDigests"), "repoTags",
                                          json_object_get(image, "repoTags"), "size", json_object_get(image, "size")));
  return list;
}

char *image_list_text(const json_t *images, const char *format, GError **error)
{
  if (!is_image_list(images)) {
    reason_set(error, REASON_BAD_REQUEST, "the machine's list of images has an unknown form");
    return NULL;
  }
  if (strcmp(format, "table") == 0)
    return table_text(images);
  if (strcmp(format, "short") == 0)
    return short_text(images);
  g_autoptr(json_t) list = public_list(images);
  if (strcmp(format, "yaml") == 0)
    return yaml_text(list);
  g_autofree char *text = json_text(list);
  return g_strconcat(text, "\n", NULL);
}
