#pragma once
/* One requirement of a label selector, and the grammar of its query text. Inside selector.c's walls: everybody else
 * uses selector.h. Source: k8s.io/apimachinery/pkg/labels. */
#include <glib.h>
#include <stdbool.h>

typedef enum LabelOperator {
  LABEL_EQUALS,
  LABEL_DOUBLE_EQUALS, /* the same, but it is printed as it came */
  LABEL_NOT_EQUALS,
  LABEL_IN,
  LABEL_NOT_IN,
  LABEL_EXISTS,
  LABEL_NOT_EXISTS,
  LABEL_GREATER,
  LABEL_LESS,
} LabelOperator;

typedef struct LabelTerm {
  char *key;
  LabelOperator op;
  GPtrArray *values; /* char*, sorted, no duplicates */
} LabelTerm;

LabelTerm *label_term_new(const char *key, LabelOperator op);
void label_term_free(gpointer term);

/* Adds VALUE to the sorted set of values. */
void label_term_add_value(LabelTerm *term, const char *value);

/* False with REASON_BAD_REQUEST when key, number of values or a value is not what the operator takes. */
bool label_term_check(const LabelTerm *term, GError **error);

/* VALUE is the label's value, NULL when the object has no such label. */
bool label_term_matches(const LabelTerm *term, const char *value);

/* Appends the canonical text of TERM: "a=b", "a in (b,c)", "!a". */
void label_term_append_text(const LabelTerm *term, GString *text);

/* Parses query text and appends its LabelTerms to TERMS. False with REASON_BAD_REQUEST and upstream's text. */
bool label_syntax_parse(const char *text, GPtrArray *terms, GError **error);

/* Why KEY is no qualified name or VALUE no label value, in upstream's words; NULL when it is one. The caller frees. */
char *label_key_problem(const char *key);
char *label_value_problem(const char *value);
