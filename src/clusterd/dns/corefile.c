#include "clusterd/dns/corefile.h"

#include <string.h>

#include "base/reason.h"

typedef struct Reader {
  const char *at;
  unsigned number, lines;
} Reader;

void corefile_line_free(CorefileLine *line)
{
  g_strfreev(line->words);
  g_clear_pointer(&line->lines, g_ptr_array_unref);
  g_free(line);
}

static gboolean error_at(GError **error, unsigned number, const char *what)
{
  return reason_set(error, REASON_CONFIG, "Corefile:%u: %s", number, what);
}

gboolean corefile_error(GError **error, const CorefileLine *line, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *what = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  return error_at(error, line->number, what);
}

static void skip_blanks(Reader *reader)
{
  while (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\r')
    reader->at++;
  if (*reader->at == '#')
    reader->at += strcspn(reader->at, "\n");
}

/* In quotes a word may hold blanks and, after a backslash, quotes. */
static char *read_quoted(Reader *reader)
{
  GString *word = g_string_new(NULL);
  for (reader->at++; *reader->at && *reader->at != '"'; reader->at++) {
    if (reader->at[0] == '\\' && reader->at[1] == '"')
      reader->at++;
    if (*reader->at == '\n')
      reader->number++;
    g_string_append_c(word, *reader->at);
  }
  if (*reader->at == '"')
    reader->at++;
  return g_string_free(word, FALSE);
}

static char *read_word(Reader *reader)
{
  if (*reader->at == '"')
    return read_quoted(reader);
  size_t length = strcspn(reader->at, " \t\r\n");
  char *word = g_strndup(reader->at, length);
  reader->at += length;
  return word;
}

/* Whether a brace stands here alone, and not as part of a word ("{1}.example.org"). */
static bool is_brace(const Reader *reader, char brace)
{
  return reader->at[0] == brace && (reader->at[1] == '\0' || strchr(" \t\r\n#", reader->at[1]));
}

/* A comma at the end of a word is taken off; at that of a line, the line goes on. */
static bool take_comma(GStrvBuilder *words, char *word)
{
  size_t length = strlen(word);
  bool comma = length > 1 && word[length - 1] == ',';
  if (comma)
    word[length - 1] = '\0';
  g_strv_builder_add(words, word);
  g_free(word);
  return comma;
}

static GPtrArray *read_lines(Reader *reader, unsigned depth, GError **error);

static CorefileLine *read_line(Reader *reader, unsigned depth, GError **error)
{
  g_autoptr(GStrvBuilder) words = g_strv_builder_new();
  CorefileLine *line = g_new0(CorefileLine, 1);
  bool comma = false, opened = false;
  line->number = reader->number;
  for (;;) {
    skip_blanks(reader);
    if (*reader->at == '\n' && comma) {
      reader->number++;
      reader->at++;
    } else if (*reader->at == '\0' || *reader->at == '\n' || is_brace(reader, '}')) {
      break;
    } else if ((opened = is_brace(reader, '{'))) {
      reader->at++;
      break;
    } else {
      comma = take_comma(words, read_word(reader));
    }
  }
  line->words = g_strv_builder_end(words);
  if (opened && !(line->lines = read_lines(reader, depth + 1, error)))
    g_clear_pointer(&line, corefile_line_free);
  else if (!line->words[0] && error_at(error, line->number, "a brace without words in front of it") == FALSE)
    g_clear_pointer(&line, corefile_line_free);
  return line;
}

/* Lines to the end of the file, or, inside braces, to the brace. */
static GPtrArray *read_lines(Reader *reader, unsigned depth, GError **error)
{
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func((GDestroyNotify)corefile_line_free);
  unsigned opened = reader->number;
  if (depth > COREFILE_DEPTH_MAX)
    return error_at(error, reader->number, "too many braces in one another"), NULL;
  for (;;) {
    skip_blanks(reader);
    if (*reader->at == '\n') {
      reader->number++;
      reader->at++;
    } else if (*reader->at == '\0') {
      return depth == 0 ? g_steal_pointer(&lines) : (error_at(error, opened, "a brace that is not closed"), NULL);
    } else if (is_brace(reader, '}')) {
      reader->at++;
      return depth > 0 ? g_steal_pointer(&lines) : (error_at(error, reader->number, "a brace too many"), NULL);
    } else {
      if (++reader->lines > COREFILE_LINES_MAX)
        return error_at(error, reader->number, "too many lines"), NULL;
      CorefileLine *line = read_line(reader, depth, error);
      if (!line)
        return NULL;
      g_ptr_array_add(lines, line);
    }
  }
}

/* "example.org", then plugins: one block. */
static GPtrArray *without_braces(GPtrArray *lines)
{
  GPtrArray *blocks = g_ptr_array_new_with_free_func((GDestroyNotify)corefile_line_free);
  CorefileLine *block = g_ptr_array_steal_index(lines, 0);
  block->lines = lines;
  g_ptr_array_add(blocks, block);
  return blocks;
}

GPtrArray *corefile_read(const char *text, GError **error)
{
  Reader reader = { .at = text, .number = 1 };
  if (strlen(text) > COREFILE_SIZE_MAX)
    return reason_set(error, REASON_CONFIG, "Corefile: longer than %u bytes", COREFILE_SIZE_MAX), NULL;
  g_autoptr(GPtrArray) lines = read_lines(&reader, 0, error);
  if (!lines)
    return NULL;
  const CorefileLine *first = lines->len > 0 ? lines->pdata[0] : NULL;
  if (first && !first->lines)
    return without_braces(g_steal_pointer(&lines));
  for (guint i = 0; i < lines->len; i++) {
    const CorefileLine *line = lines->pdata[i];
    if (!line->lines)
      return corefile_error(error, line, "'%s' stands outside of a server block", line->words[0]), NULL;
  }
  return g_steal_pointer(&lines);
}
