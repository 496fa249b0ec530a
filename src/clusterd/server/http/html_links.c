#include "clusterd/server/http/html_links.h"

#include <stdbool.h>
#include <string.h>

#define NAME_MAX_LENGTH 32 /* of tags and attributes that can matter */
#define URL_MAX_LENGTH 8192

typedef struct Scanner {
  const char *at, *end;
  const char *copied; /* what is before this is in the output */
  GByteArray *output;
  char *(*rewrite)(const char *url, void *data);
  void *data;
} Scanner;

/* Upstream's list: which attributes of which elements hold a URL. */
static bool is_link(const char *tag, const char *attribute)
{
  static const char *const links[] = {
    "a href",          "applet codebase",   "area href",      "audio src",       "base href",       "blockquote cite",
    "body background", "button formaction", "command icon",   "del cite",        "embed src",       "form action",
    "frame longdesc",  "frame src",         "head profile",   "html manifest",   "iframe longdesc", "iframe src",
    "img longdesc",    "img src",           "img usemap",     "input src",       "input usemap",    "input formaction",
    "ins cite",        "link href",         "object classid", "object codebase", "object data",     "object usemap",
    "q cite",          "script src",        "source src",     "video poster",    "video src",       NULL
  };
  g_autofree char *both = g_strconcat(tag, " ", attribute, NULL);
  return g_strv_contains(links, both);
}

/* Elements whose content is text, whatever it looks like. */
static bool is_raw_text(const char *tag)
{
  static const char *const names[] = { "script", "style", "textarea", "title", "xmp", "iframe", "noembed", NULL };
  return g_strv_contains(names, tag);
}

/* Takes the characters up to the first of STOPS as a name in lower case; one that is too long is cut. */
static void take_name(Scanner *scanner, const char *stops, char name[NAME_MAX_LENGTH])
{
  gsize length = 0;
  for (; scanner->at < scanner->end && !strchr(stops, *scanner->at); scanner->at++)
    if (length < NAME_MAX_LENGTH - 1)
      name[length++] = g_ascii_tolower(*scanner->at);
  name[length] = '\0';
}

static void skip(Scanner *scanner, const char *characters)
{
  while (scanner->at < scanner->end && *scanner->at && strchr(characters, *scanner->at))
    scanner->at++;
}

/* Moves behind the next TEXT, or to the end. */
static void skip_past(Scanner *scanner, const char *text)
{
  const char *found = memmem(scanner->at, (gsize)(scanner->end - scanner->at), text, strlen(text));
  scanner->at = found ? found + strlen(text) : scanner->end;
}

static void replace(Scanner *scanner, const char *from, const char *to)
{
  if ((gsize)(to - from) > URL_MAX_LENGTH || memchr(from, '\0', (gsize)(to - from)))
    return;
  g_autofree char *url = g_strndup(from, (gsize)(to - from));
  g_autofree char *made = scanner->rewrite(url, scanner->data);
  g_byte_array_append(scanner->output, (const guint8 *)scanner->copied, (guint)(from - scanner->copied));
  g_byte_array_append(scanner->output, (const guint8 *)made, (guint)strlen(made));
  scanner->copied = to;
}

/* The value after an equals sign. */
static void scan_value(Scanner *scanner, bool wanted)
{
  if (scanner->at == scanner->end)
    return;
  char quote = *scanner->at;
  const char *from = scanner->at, *to;
  if (quote == '"' || quote == '\'') {
    from++;
    to = memchr(from, quote, (gsize)(scanner->end - from));
    scanner->at = to ? to + 1 : scanner->end;
  } else {
    while (scanner->at < scanner->end && !strchr(" \t\r\n\f>", *scanner->at))
      scanner->at++;
    to = scanner->at;
  }
  if (wanted && to)
    replace(scanner, from, to);
}

static void scan_attributes(Scanner *scanner, const char *tag)
{
  char attribute[NAME_MAX_LENGTH];
  for (;;) {
    skip(scanner, " \t\r\n\f/");
    if (scanner->at == scanner->end)
      return;
    if (*scanner->at == '>') {
      scanner->at++;
      return;
    }
    const char *before = scanner->at;
    take_name(scanner, " \t\r\n\f/=>", attribute);
    skip(scanner, " \t\r\n\f");
    if (scanner->at < scanner->end && *scanner->at == '=') {
      scanner->at++;
      skip(scanner, " \t\r\n\f");
      scan_value(scanner, is_link(tag, attribute));
    } else if (scanner->at == before) {
      scanner->at++; /* a NUL is in no name */
    }
  }
}

static bool starts_with(const Scanner *scanner, const char *text)
{
  gsize length = strlen(text);
  return (gsize)(scanner->end - scanner->at) >= length && g_ascii_strncasecmp(scanner->at, text, length) == 0;
}

/* To the end tag of TAG, whose content is no HTML. */
static void skip_raw_text(Scanner *scanner, const char *tag)
{
  g_autofree char *end_tag = g_strconcat("</", tag, NULL);
  while (scanner->at < scanner->end && !starts_with(scanner, end_tag))
    scanner->at++;
}

/* What begins with `<`. */
static void scan_markup(Scanner *scanner)
{
  char tag[NAME_MAX_LENGTH];
  if (starts_with(scanner, "<!--")) {
    scanner->at += strlen("<!--");
    skip_past(scanner, "-->");
    return;
  }
  scanner->at++;
  if (scanner->at == scanner->end || !g_ascii_isalpha(*scanner->at))
    return;
  take_name(scanner, " \t\r\n\f/>", tag);
  scan_attributes(scanner, tag);
  if (is_raw_text(tag))
    skip_raw_text(scanner, tag);
}

GByteArray *html_rewrite_links(const char *text, gsize length, char *(*rewrite)(const char *url, void *data),
                               void *data)
{
  Scanner scanner = { text, text + length, text, g_byte_array_new(), rewrite, data };
  while (scanner.at < scanner.end) {
    const char *markup = memchr(scanner.at, '<', (gsize)(scanner.end - scanner.at));
    scanner.at = markup ? markup : scanner.end;
    if (markup)
      scan_markup(&scanner);
  }
  g_byte_array_append(scanner.output, (const guint8 *)scanner.copied, (guint)(scanner.end - scanner.copied));
  return scanner.output;
}
