#include "clusterd/api/table/table.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "clusterd/api/json_path.h"
#include "clusterd/api/table/cell_text.h"

static json_t *column_definitions(const ApiKind *kind)
{
  json_t *columns = json_array();
  for (unsigned i = 0; i < kind->n_columns; i++) {
    const ApiColumn *column = &kind->columns[i];
    json_array_append_new(columns,
                          json_pack("{s:s, s:s, s:s, s:s, s:i}", "name", column->name, "type", column->type, "format",
                                    column->format ? column->format : "", "description",
                                    column->description ? column->description : "", "priority", column->priority));
  }
  return columns;
}

/* The columns of a kind that tells none of its own: its name and its age. */
static const ApiColumn default_columns[] = {
  { .name = "Name", .type = "string", .format = "name", .path = "metadata.name" },
  { .name = "Created At", .type = "date", .cell = cell_created_at },
};

/* What a path column shows for an absent member depends on its type only. */
static json_t *absent_cell(const ApiColumn *column)
{
  if (strcmp(column->type, "integer") == 0 || strcmp(column->type, "number") == 0)
    return json_integer(0);
  return strcmp(column->type, "boolean") == 0 ? json_false() : json_string("");
}

/* Columns of custom resources show null where there is nothing, or nothing of their type. */
static json_t *custom_cell(const ApiColumn *column, const json_t *object, int64_t now_us)
{
  const json_t *value = json_path_first(column->json_path, object);
  const char *type = column->type;
  int64_t time_us;
  if (!value || json_is_null(value))
    return json_null();
  if (strcmp(type, "string") == 0)
    return json_is_string(value) ? json_incref((json_t *)(uintptr_t)value) : cell_take(json_text(value), "");
  if (strcmp(type, "date") == 0)
    return json_is_string(value) && timestamp_parse(json_string_value(value), &time_us) ? cell_since(value, now_us)
                                                                                        : json_string("<invalid>");
  if (strcmp(type, "integer") == 0 && json_is_number(value))
    return json_integer((json_int_t)json_number_value(value));
  bool fits =
      strcmp(type, "boolean") == 0 ? json_is_boolean(value) : strcmp(type, "number") == 0 && json_is_number(value);
  return fits ? json_incref((json_t *)(uintptr_t)value) : json_null();
}

static json_t *cell_of(const ApiColumn *column, const json_t *object, int64_t now_us)
{
  if (column->cell)
    return column->cell(object, now_us);
  if (column->json_path)
    return custom_cell(column, object, now_us);
  g_auto(GStrv) steps = g_strsplit(column->path ? column->path : "", ".", -1);
  const json_t *value = object;
  for (char **step = steps; *step && value; step++)
    value = **step ? json_object_get(value, *step) : value;
  if (!value || json_is_null(value))
    return absent_cell(column);
  /* a date is shown as an age, where the server can tell the time and the client's clock does not matter */
  if (strcmp(column->type, "date") == 0)
    return cell_since(value, now_us);
  if (json_is_object(value) || json_is_array(value))
    return cell_take(json_text(value), "");
  return json_incref((json_t *)(uintptr_t)value);
}

static json_t *partial_of(const json_t *value)
{
  /* a borrowed value, shared: nobody changes an Object's value, and its reference counts are atomic */
  return json_pack("{s:s, s:s, s:O}", "kind", "PartialObjectMetadata", "apiVersion", "meta.k8s.io/v1", "metadata",
                   json_object_get(value, "metadata"));
}

json_t *table_partial_metadata(const Object *object)
{
  g_autoptr(json_t) value = object_value(object);
  return partial_of(value);
}

static json_t *row_of(const ApiKind *kind, const Object *object, TableInclude include, int64_t now_us)
{
  g_autoptr(json_t) value = object_value(object);
  /* cells know the stored version only, as upstream prints internal objects */
  g_autoptr(json_t) stored = kind->convert_to_storage ? kind->convert_to_storage(value) : NULL;
  json_t *cells = json_array(), *row = json_pack("{s:o}", "cells", cells);
  for (unsigned i = 0; i < kind->n_columns; i++)
    json_array_append_new(cells, cell_of(&kind->columns[i], stored ? stored : value, now_us));
  if (include == TABLE_INCLUDE_METADATA)
    json_object_set_new(row, "object", partial_of(value));
  else if (include == TABLE_INCLUDE_OBJECT)
    json_object_set(row, "object", value);
  else
    json_object_set_new(row, "object", json_null());
  return row;
}

json_t *table_render(const ApiKind *kind, GPtrArray *objects, const json_t *list_metadata, const char *api_version,
                     TableInclude include, bool with_columns, int64_t now_us)
{
  ApiKind plain;
  if (kind->n_columns == 0) {
    plain = *kind;
    plain.columns = default_columns;
    plain.n_columns = G_N_ELEMENTS(default_columns);
    kind = &plain;
  }
  json_t *rows = json_array();
  for (guint i = 0; i < objects->len; i++)
    json_array_append_new(rows, row_of(kind, objects->pdata[i], include, now_us));
  return json_pack("{s:s, s:s, s:o, s:o, s:o}", "kind", "Table", "apiVersion", api_version, "metadata",
                   list_metadata ? json_deep_copy(list_metadata) : json_object(), "columnDefinitions",
                   with_columns ? column_definitions(kind) : json_null(), "rows", rows);
}
