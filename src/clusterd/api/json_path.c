#include "clusterd/api/json_path.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/reason.h"

#define DESCENT_DEPTH_MAX 64
#define DESCENTS_MAX 2 /* `..` in one path: each multiplies the work */

typedef enum StepKind { STEP_MEMBER, STEP_INDEX, STEP_SLICE, STEP_ALL, STEP_DESCENT, STEP_FILTER } StepKind;

typedef enum Comparison {
  COMPARE_EXISTS,
  COMPARE_EQ,
  COMPARE_NE,
  COMPARE_LE,
  COMPARE_GE,
  COMPARE_LT,
  COMPARE_GT
} Comparison;

typedef struct Step {
  StepKind kind;
  char *name;     /* MEMBER */
  long from, to;  /* INDEX: FROM; SLICE: both; TO is LONG_MAX when left out */
  JsonPath *path; /* FILTER: of what is compared */
  Comparison comparison;
  json_t *operand; /* FILTER, unless COMPARE_EXISTS */
} Step;

struct JsonPath {
  GArray *steps; /* Step */
};

typedef struct Reader {
  const char *at;
  unsigned descents;
  GError **error;
} Reader;

static void step_clear(void *data)
{
  Step *step = data;
  g_free(step->name);
  json_path_free(step->path);
  json_decref(step->operand);
}

static JsonPath *path_new(void)
{
  JsonPath *path = g_new0(JsonPath, 1);
  path->steps = g_array_new(FALSE, TRUE, sizeof(Step));
  g_array_set_clear_func(path->steps, step_clear);
  return path;
}

void json_path_free(JsonPath *path)
{
  if (!path)
    return;
  g_array_unref(path->steps);
  g_free(path);
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

static bool malformed(const Reader *reader, const char *what)
{
  return reason_set(reader->error, REASON_INVALID, "%s at \"%.40s\"", what, reader->at);
}

static void skip_blanks(Reader *reader)
{
  while (*reader->at == ' ')
    reader->at++;
}

/* A name after a dot; `\.` and the like stand for the character itself. */
static char *read_name(Reader *reader, const char *ends)
{
  GString *name = g_string_new(NULL);
  while (*reader->at && !strchr(ends, *reader->at)) {
    if (*reader->at == '\\' && reader->at[1])
      reader->at++;
    g_string_append_c(name, *reader->at++);
  }
  return g_string_free(name, FALSE);
}

static char *read_quoted(Reader *reader)
{
  char quote = *reader->at++;
  char ends[] = { quote, '\0' };
  char *text = read_name(reader, ends);
  if (*reader->at == quote)
    reader->at++;
  return text;
}

static JsonPath *read_path(Reader *reader, const char *ends);

static bool read_operator(Reader *reader, Step *step)
{
  static const char *const operators[] = { [COMPARE_EQ] = "==", [COMPARE_NE] = "!=", [COMPARE_LE] = "<=",
                                           [COMPARE_GE] = ">=", [COMPARE_LT] = "<",  [COMPARE_GT] = ">" };
  skip_blanks(reader);
  step->comparison = COMPARE_EXISTS;
  for (gsize i = 1; i < G_N_ELEMENTS(operators); i++) {
    if (!g_str_has_prefix(reader->at, operators[i]))
      continue;
    step->comparison = (Comparison)i;
    reader->at += strlen(operators[i]);
    skip_blanks(reader);
    return true;
  }
  return true;
}

static bool read_operand(Reader *reader, Step *step)
{
  if (step->comparison == COMPARE_EXISTS)
    return true;
  if (*reader->at == '"' || *reader->at == '\'') {
    g_autofree char *text = read_quoted(reader);
    step->operand = json_string(text);
  } else {
    g_autofree char *text = read_name(reader, ") ");
    step->operand = json_loads(text, JSON_DECODE_ANY, NULL);
  }
  return step->operand || malformed(reader, "no value to compare with");
}

/* `?(@.path OPERATOR VALUE)`, after the bracket. */
static bool read_filter(Reader *reader, Step *step)
{
  step->kind = STEP_FILTER;
  if (!g_str_has_prefix(reader->at, "?(@"))
    return malformed(reader, "only filters like ?(@.a==\"b\") are known");
  reader->at += strlen("?(@");
  step->path = read_path(reader, " =!<>)");
  if (!step->path || !read_operator(reader, step) || !read_operand(reader, step))
    return false;
  skip_blanks(reader);
  if (*reader->at != ')')
    return malformed(reader, "unterminated filter");
  reader->at++;
  return true;
}

/* `0`, `-1`, `1:3`, `:2`. */
static bool read_index(Reader *reader, Step *step)
{
  char *end;
  step->kind = STEP_INDEX;
  step->from = strtol(reader->at, &end, 10);
  bool given = end != reader->at;
  reader->at = end;
  if (*reader->at != ':')
    return given || malformed(reader, "invalid array index");
  step->kind = STEP_SLICE;
  reader->at++;
  step->to = strtol(reader->at, &end, 10);
  if (end == reader->at)
    step->to = G_MAXLONG;
  reader->at = end;
  return true;
}

static bool read_bracket(Reader *reader, Step *step)
{
  reader->at++;
  bool ok = true;
  if (*reader->at == '*') {
    step->kind = STEP_ALL;
    reader->at++;
  } else if (*reader->at == '\'' || *reader->at == '"') {
    step->kind = STEP_MEMBER;
    step->name = read_quoted(reader);
  } else if (*reader->at == '?') {
    ok = read_filter(reader, step);
  } else {
    ok = read_index(reader, step);
  }
  if (ok && *reader->at != ']')
    return malformed(reader, "unterminated array");
  reader->at += ok;
  return ok;
}

static bool read_dot(Reader *reader, Step *step, const char *ends)
{
  reader->at++;
  if (*reader->at == '.') { /* the name that follows is a step of its own */
    step->kind = STEP_DESCENT;
    return ++reader->descents <= DESCENTS_MAX || malformed(reader, "too many recursive descents");
  }
  if (*reader->at == '*') {
    step->kind = STEP_ALL;
    reader->at++;
    return true;
  }
  g_autofree char *all_ends = g_strconcat(".[", ends, NULL);
  step->kind = STEP_MEMBER;
  step->name = read_name(reader, all_ends);
  return true;
}

/* Up to one of ENDS or the end of the text. */
static JsonPath *read_path(Reader *reader, const char *ends)
{
  g_autoptr(JsonPath) path = path_new();
  while (*reader->at && !strchr(ends, *reader->at)) {
    Step step = { 0 };
    bool ok = *reader->at == '['   ? read_bracket(reader, &step)
              : *reader->at == '.' ? read_dot(reader, &step, ends)
                                   : malformed(reader, "unrecognized character");
    /* `.` alone is the value itself */
    if (ok && step.kind == STEP_MEMBER && !*step.name)
      step_clear(&step);
    else
      g_array_append_val(path->steps, step);
    if (ok && path->steps->len > JSON_PATH_STEPS_MAX)
      ok = reason_set(reader->error, REASON_INVALID, "a path may have at most %d steps", JSON_PATH_STEPS_MAX);
    if (!ok)
      return NULL;
  }
  return g_steal_pointer(&path);
}

JsonPath *json_path_parse(const char *text, GError **error)
{
  Reader reader = { .at = text, .error = error };
  if (strlen(text) > JSON_PATH_MAX) {
    reason_set(error, REASON_INVALID, "a path may have at most %d bytes", JSON_PATH_MAX);
    return NULL;
  }
  return read_path(&reader, "");
}

/* --- finding -------------------------------------------------------------------------------------------------------
 */

static json_t *find(const JsonPath *path, guint at, json_t *value, unsigned depth);

static int order_of(const json_t *a, const json_t *b, bool *comparable)
{
  *comparable = true;
  if (json_is_number(a) && json_is_number(b)) {
    double difference = json_number_value(a) - json_number_value(b);
    return difference < 0 ? -1 : difference > 0;
  }
  if (json_is_string(a) && json_is_string(b))
    return strcmp(json_string_value(a), json_string_value(b));
  *comparable = json_equal(a, b);
  return 0;
}

static bool passes(const Step *step, const json_t *item)
{
  const json_t *value = json_path_first(step->path, item);
  bool comparable = false;
  if (step->comparison == COMPARE_EXISTS || !value)
    return value != NULL;
  int order = order_of(value, step->operand, &comparable);
  switch (step->comparison) {
  case COMPARE_EQ:
    return comparable && order == 0;
  case COMPARE_NE:
    return !comparable || order != 0;
  case COMPARE_LE:
    return comparable && order <= 0;
  case COMPARE_GE:
    return comparable && order >= 0;
  case COMPARE_LT:
    return comparable && order < 0;
  case COMPARE_GT:
    return comparable && order > 0;
  case COMPARE_EXISTS:
    break;
  }
  return true;
}

/* Tries the items of VALUE that STEP lets pass, from FROM to before TO. */
static json_t *find_items(const JsonPath *path, guint at, json_t *value, long from, long to, unsigned depth)
{
  const Step *step = &g_array_index(path->steps, Step, at);
  const char *name;
  json_t *item, *found = NULL;
  size_t i;
  json_array_foreach (value, i, item) {
    bool wanted = (long)i >= from && (long)i < to && (step->kind != STEP_FILTER || passes(step, item));
    if (wanted && (found = find(path, at + 1, item, depth)))
      return found;
  }
  if (json_is_object(value) && step->kind == STEP_ALL)
    json_object_foreach (value, name, item)
      if ((found = find(path, at + 1, item, depth)))
        return found;
  return NULL;
}

/* The value itself, then everything below it. */
static json_t *find_below(const JsonPath *path, guint at, json_t *value, unsigned depth)
{
  const char *name;
  json_t *item, *found = find(path, at + 1, value, depth);
  size_t i;
  if (found || depth >= DESCENT_DEPTH_MAX)
    return found;
  json_array_foreach (value, i, item)
    if ((found = find_below(path, at, item, depth + 1)))
      return found;
  if (json_is_object(value))
    json_object_foreach (value, name, item)
      if ((found = find_below(path, at, item, depth + 1)))
        return found;
  return NULL;
}

static json_t *find(const JsonPath *path, guint at, json_t *value, unsigned depth)
{
  if (!value || at == path->steps->len)
    return value;
  const Step *step = &g_array_index(path->steps, Step, at);
  long size = (long)json_array_size(value);
  switch (step->kind) {
  case STEP_MEMBER:
    return find(path, at + 1, json_object_get(value, step->name), depth);
  case STEP_INDEX: {
    long index = step->from < 0 ? step->from + size : step->from;
    return index < 0 || index >= size ? NULL : find(path, at + 1, json_array_get(value, (size_t)index), depth);
  }
  case STEP_SLICE:
    return find_items(path, at, value, step->from < 0 ? step->from + size : step->from,
                      step->to < 0 ? step->to + size : step->to, depth);
  case STEP_ALL:
  case STEP_FILTER:
    return find_items(path, at, value, 0, size, depth);
  case STEP_DESCENT:
    return find_below(path, at, value, depth);
  }
  return NULL;
}

json_t *json_path_first(const JsonPath *path, const json_t *value)
{
  return find(path, 0, (json_t *)(uintptr_t)value, 0);
}
