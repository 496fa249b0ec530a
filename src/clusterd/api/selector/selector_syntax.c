#include "clusterd/api/selector/selector_syntax.h"

#include <string.h>

#include "base/reason.h"
#include "clusterd/api/selector/selector.h"

/* The grammar, as upstream's own parser takes it:
 *   selector    = requirement { "," requirement } | nothing
 *   requirement = [ "!" ] KEY | KEY operator value
 *   operator    = "=" | "==" | "!=" | ">" | "<" | "in" | "notin"
 * A token's text is shown in errors, so a token keeps where it lies in the query. */
typedef enum TokenType {
  TOKEN_ERROR,
  TOKEN_END,
  TOKEN_IDENTIFIER,
  TOKEN_COMMA,
  TOKEN_OPEN,
  TOKEN_CLOSE,
  TOKEN_NOT,
  TOKEN_EQUALS,
  TOKEN_DOUBLE_EQUALS,
  TOKEN_NOT_EQUALS,
  TOKEN_GREATER,
  TOKEN_LESS,
  TOKEN_IN,
  TOKEN_NOT_IN,
} TokenType;

typedef struct Token {
  TokenType type;
  const char *start;
  int length;
} Token;

typedef struct Parser {
  const char *at;
  Token next;
  GError **error;
} Parser;

static bool is_symbol(char c)
{
  return c && strchr("=!(),<>", c);
}

static bool is_space(char c)
{
  return c && strchr(" \t\r\n", c);
}

static bool is_text(const Token *token, const char *text)
{
  return (gsize)token->length == strlen(text) && strncmp(token->start, text, (gsize)token->length) == 0;
}

static TokenType symbol_type(const char *start, int *length)
{
  static const struct {
    const char *text;
    TokenType type;
  } symbols[] = {
    { "==", TOKEN_DOUBLE_EQUALS }, { "!=", TOKEN_NOT_EQUALS }, { "=", TOKEN_EQUALS }, { "!", TOKEN_NOT },
    { "(", TOKEN_OPEN },           { ")", TOKEN_CLOSE },       { ",", TOKEN_COMMA },  { ">", TOKEN_GREATER },
    { "<", TOKEN_LESS },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(symbols); i++)
    if (g_str_has_prefix(start, symbols[i].text)) {
      *length = (int)strlen(symbols[i].text);
      return symbols[i].type;
    }
  *length = 0;
  return TOKEN_ERROR;
}

/* Reads the token after the current one into parser->next. */
static void advance(Parser *parser)
{
  while (is_space(*parser->at))
    parser->at++;
  Token token = { TOKEN_END, parser->at, 0 };
  if (is_symbol(*parser->at)) {
    token.type = symbol_type(parser->at, &token.length);
  } else if (*parser->at) {
    while (parser->at[token.length] && !is_symbol(parser->at[token.length]) && !is_space(parser->at[token.length]))
      token.length++;
    token.type = is_text(&token, "in") ? TOKEN_IN : is_text(&token, "notin") ? TOKEN_NOT_IN : TOKEN_IDENTIFIER;
  }
  parser->at += token.length;
  parser->next = token;
}

/* "in" and "notin" are words like any other except where an operator is expected. */
static TokenType peek(const Parser *parser)
{
  TokenType type = parser->next.type;
  return type == TOKEN_IN || type == TOKEN_NOT_IN ? TOKEN_IDENTIFIER : type;
}

static Token take(Parser *parser)
{
  Token token = parser->next;
  advance(parser);
  return token;
}

static Token take_word(Parser *parser)
{
  TokenType type = peek(parser);
  Token token = take(parser);
  token.type = type;
  return token;
}

static bool fail(Parser *parser, const Token *token, const char *expected)
{
  return reason_set(parser->error, REASON_BAD_REQUEST, "unable to parse requirement: found '%.*s', expected: %s",
                    token->length, token->start, expected);
}

static void add_value(LabelTerm *term, const Token *token)
{
  g_autofree char *value = g_strndup(token->start, (gsize)token->length);
  label_term_add_value(term, value);
}

/* The words of "(a,b)"; an empty place between commas is the empty value. */
static bool parse_value_set(Parser *parser, LabelTerm *term)
{
  Token open = take_word(parser);
  if (open.type != TOKEN_OPEN)
    return fail(parser, &open, "'('");
  bool expect_value = true;
  for (unsigned n = 0; n <= SELECTOR_TERMS_MAX; n++) {
    Token token = take_word(parser);
    switch (token.type) {
    case TOKEN_IDENTIFIER:
      if (!expect_value)
        return fail(parser, &token, "',' or ')'");
      add_value(term, &token);
      expect_value = false;
      break;
    case TOKEN_COMMA:
      if (expect_value)
        label_term_add_value(term, "");
      expect_value = true;
      break;
    case TOKEN_CLOSE:
      if (expect_value)
        label_term_add_value(term, "");
      return true;
    default:
      return fail(parser, &token, expect_value ? "',', ')' or identifier" : "',' or ')'");
    }
  }
  return reason_set(parser->error, REASON_BAD_REQUEST, "a selector may name at most %d values", SELECTOR_TERMS_MAX);
}

static bool parse_exact_value(Parser *parser, LabelTerm *term)
{
  TokenType type = peek(parser);
  if (type == TOKEN_END || type == TOKEN_COMMA) {
    label_term_add_value(term, "");
    return true;
  }
  Token token = take_word(parser);
  if (token.type != TOKEN_IDENTIFIER)
    return fail(parser, &token, "identifier");
  add_value(term, &token);
  return true;
}

static bool parse_operator(Parser *parser, LabelOperator *op)
{
  Token token = take(parser);
  switch (token.type) {
  case TOKEN_EQUALS:
    *op = LABEL_EQUALS;
    return true;
  case TOKEN_DOUBLE_EQUALS:
    *op = LABEL_DOUBLE_EQUALS;
    return true;
  case TOKEN_NOT_EQUALS:
    *op = LABEL_NOT_EQUALS;
    return true;
  case TOKEN_GREATER:
    *op = LABEL_GREATER;
    return true;
  case TOKEN_LESS:
    *op = LABEL_LESS;
    return true;
  case TOKEN_IN:
    *op = LABEL_IN;
    return true;
  case TOKEN_NOT_IN:
    *op = LABEL_NOT_IN;
    return true;
  default:
    return fail(parser, &token, "in, notin, =, ==, !=, gt, lt");
  }
}

static bool parse_requirement(Parser *parser, LabelTerm *term)
{
  bool negated = peek(parser) == TOKEN_NOT;
  if (negated)
    take(parser);
  Token key = take_word(parser);
  if (key.type != TOKEN_IDENTIFIER)
    return fail(parser, &key, "identifier");
  g_free(term->key);
  term->key = g_strndup(key.start, (gsize)key.length);
  TokenType after = peek(parser);
  if (negated || after == TOKEN_END || after == TOKEN_COMMA) {
    term->op = negated ? LABEL_NOT_EXISTS : LABEL_EXISTS;
    return true;
  }
  if (!parse_operator(parser, &term->op))
    return false;
  return term->op == LABEL_IN || term->op == LABEL_NOT_IN ? parse_value_set(parser, term)
                                                          : parse_exact_value(parser, term);
}

static bool check_term(const LabelTerm *term, GError **error)
{
  g_autoptr(GError) inner = NULL;
  return label_term_check(term, &inner) ||
         reason_set(error, REASON_BAD_REQUEST, "unable to parse requirement: %s", inner->message);
}

static bool plain_fail(GError **error, const Token *token, const char *expected)
{
  return reason_set(error, REASON_BAD_REQUEST, "found '%.*s', expected: %s", token->length, token->start, expected);
}

bool label_syntax_parse(const char *text, GPtrArray *terms, GError **error)
{
  Parser parser = { .at = text, .error = error };
  advance(&parser);
  while (peek(&parser) != TOKEN_END) {
    TokenType type = peek(&parser);
    if (type != TOKEN_IDENTIFIER && type != TOKEN_NOT)
      return plain_fail(error, &parser.next, "!, identifier, or 'end of string'");
    if (terms->len >= SELECTOR_TERMS_MAX)
      return reason_set(error, REASON_BAD_REQUEST, "a selector may have at most %d requirements", SELECTOR_TERMS_MAX);
    LabelTerm *term = label_term_new("", LABEL_EXISTS);
    g_ptr_array_add(terms, term);
    if (!parse_requirement(&parser, term) || !check_term(term, error))
      return false;
    Token after = take_word(&parser);
    if (after.type == TOKEN_END)
      break;
    if (after.type != TOKEN_COMMA)
      return plain_fail(error, &after, "',' or 'end of string'");
    if (peek(&parser) != TOKEN_IDENTIFIER && peek(&parser) != TOKEN_NOT)
      return plain_fail(error, &parser.next, "identifier after ','");
  }
  return true;
}
