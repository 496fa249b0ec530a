#include "clusterd/dns/rewrite.h"

#include <string.h>

#include "base/reason.h"

typedef enum RewriteKind {
  REWRITE_EXACT,
  REWRITE_PREFIX,
  REWRITE_SUFFIX,
  REWRITE_SUBSTRING,
  REWRITE_REGEX
} RewriteKind;

struct Rewrite {
  RewriteKind kind;
  bool go_on;
  char *from, *to; /* lower-case; of an exact and a suffix rule FROM ends with a dot */
  GRegex *regex;
};

static const char *const kinds[] = { "exact", "prefix", "suffix", "substring", "regex", NULL };

/* "{1}" for the first group becomes GRegex's own notation. The caller frees. */
static char *replacement(const char *text)
{
  GString *out = g_string_new(NULL);
  for (; *text; text++) {
    if (*text == '\\')
      g_string_append(out, "\\\\");
    else if (text[0] == '{' && g_ascii_isdigit(text[1]) && text[2] == '}')
      g_string_append_printf(out, "\\g<%c>", text[1]), text += 2;
    else
      g_string_append_c(out, *text);
  }
  return g_string_free(out, FALSE);
}

static char *with_dot(const char *text)
{
  g_autofree char *lower = g_ascii_strdown(text, -1);
  return g_str_has_suffix(lower, ".") ? g_steal_pointer(&lower) : g_strconcat(lower, ".", NULL);
}

static bool take_values(Rewrite *rewrite, const CorefileLine *line, char *const *words, GError **error)
{
  g_autoptr(GError) inner = NULL;
  uint8_t name[NAME_WIRE_MAX];
  if (rewrite->kind == REWRITE_REGEX) {
    rewrite->regex = g_regex_new(words[0], G_REGEX_OPTIMIZE, 0, &inner);
    rewrite->to = replacement(words[1]);
    if (!rewrite->regex || !g_regex_check_replacement(rewrite->to, NULL, &inner))
      return corefile_error(error, line, "%s", inner->message);
    return true;
  }
  bool whole = rewrite->kind == REWRITE_EXACT || rewrite->kind == REWRITE_SUFFIX;
  rewrite->from = whole ? with_dot(words[0]) : g_ascii_strdown(words[0], -1);
  rewrite->to = whole ? with_dot(words[1]) : g_ascii_strdown(words[1], -1);
  if (rewrite->kind == REWRITE_EXACT && (!name_from_text(rewrite->from, name) || !name_from_text(rewrite->to, name)))
    return corefile_error(error, line, "rewrite needs two names");
  return true;
}

/* WORDS after "name". */
static bool take_words(Rewrite *rewrite, const CorefileLine *line, char **words, GError **error)
{
  unsigned n = g_strv_length(words);
  for (unsigned i = 0; n >= 3 && kinds[i]; i++) {
    if (!g_str_equal(words[0], kinds[i]))
      continue;
    rewrite->kind = i;
    words++;
    n--;
    break;
  }
  if (n == 4 && g_str_equal(words[2], "answer") && g_str_equal(words[3], "auto"))
    n = 2; /* as all are here */
  if (n != 2)
    return corefile_error(error, line, "rewrite name [exact|prefix|suffix|substring|regex] FROM TO [answer auto]");
  return take_values(rewrite, line, words, error);
}

Rewrite *rewrite_new(const CorefileLine *line, GError **error)
{
  g_autoptr(Rewrite) rewrite = g_new0(Rewrite, 1);
  char **words = line->words + 1;
  if (*words && (g_str_equal(*words, "stop") || g_str_equal(*words, "continue")))
    rewrite->go_on = g_str_equal(*words++, "continue");
  if (line->lines || !*words || !g_str_equal(*words, "name"))
    return corefile_error(error, line, "rewrite: only names can be rewritten, in one line"), NULL;
  return take_words(rewrite, line, words + 1, error) ? g_steal_pointer(&rewrite) : NULL;
}

void rewrite_free(Rewrite *rewrite)
{
  if (!rewrite)
    return;
  if (rewrite->regex)
    g_regex_unref(rewrite->regex);
  g_free(rewrite->from);
  g_free(rewrite->to);
  g_free(rewrite);
}

/* The other name of TEXT, or NULL when the rule is not about it. The caller frees. */
static char *rewritten(const Rewrite *rewrite, const char *text)
{
  const char *at = NULL;
  switch (rewrite->kind) {
  case REWRITE_EXACT:
    return g_str_equal(text, rewrite->from) ? g_strdup(rewrite->to) : NULL;
  case REWRITE_REGEX:
    return g_regex_match(rewrite->regex, text, 0, NULL)
               ? g_regex_replace(rewrite->regex, text, -1, 0, rewrite->to, 0, NULL)
               : NULL;
  case REWRITE_PREFIX:
    at = g_str_has_prefix(text, rewrite->from) ? text : NULL;
    break;
  case REWRITE_SUFFIX:
    at = g_str_has_suffix(text, rewrite->from) ? text + strlen(text) - strlen(rewrite->from) : NULL;
    break;
  case REWRITE_SUBSTRING:
    at = strstr(text, rewrite->from);
    break;
  }
  return at ? g_strdup_printf("%.*s%s%s", (int)(at - text), text, rewrite->to, at + strlen(rewrite->from)) : NULL;
}

bool rewrite_apply(const GPtrArray *rules, uint8_t name[NAME_WIRE_MAX], size_t *length)
{
  bool changed = false;
  for (guint i = 0; i < rules->len; i++) {
    const Rewrite *rule = rules->pdata[i];
    uint8_t other[NAME_WIRE_MAX];
    g_autofree char *text = name_to_text(name, *length);
    g_autofree char *to = rewritten(rule, text);
    size_t other_length = to ? name_from_text(to, other) : 0;
    if (other_length == 0)
      continue; /* not about it, or no name comes of it */
    memcpy(name, other, other_length);
    *length = other_length;
    changed = true;
    if (!rule->go_on)
      break;
  }
  return changed;
}
