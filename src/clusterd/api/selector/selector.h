#pragma once
/* Label and field selectors. Source: k8s.io/apimachinery/pkg/labels and pkg/fields. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/kind.h"

#define SELECTOR_TERMS_MAX 1000

typedef struct LabelSelector LabelSelector;
typedef struct FieldSelector FieldSelector;

/* From query text ("a=b,c!=d,e in (f,g),!h"). "" selects everything. NULL with REASON_BAD_REQUEST. */
LabelSelector *label_selector_parse(const char *text, GError **error);

/* From an API LabelSelector value {matchLabels, matchExpressions}; JSON null or NULL selects nothing, {} everything. */
LabelSelector *label_selector_from_json(const json_t *value, GError **error);

/* From a plain map (Service.spec.selector). An empty or NULL map selects nothing. */
LabelSelector *label_selector_from_map(const json_t *map);

/* LABELS is metadata.labels, may be NULL. */
bool label_selector_matches(const LabelSelector *selector, const json_t *labels);
bool label_selector_is_everything(const LabelSelector *selector);
/* Canonical text, sorted as upstream sorts it (Scale.status.selector). The caller frees. */
char *label_selector_text(const LabelSelector *selector);
void label_selector_free(LabelSelector *selector);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LabelSelector, label_selector_free)

/* From query text ("metadata.name=x,spec.nodeName!=y"); each field must be selectable on KIND, else REASON_BAD_REQUEST
 * with upstream's text. */
FieldSelector *field_selector_parse(const ApiKind *kind, const char *text, GError **error);
bool field_selector_matches(const FieldSelector *selector, const json_t *object);

/* The same of an object that is JSON text: only the members asked for are parsed. */
bool field_selector_matches_text(const FieldSelector *selector, const char *text, gsize length);
bool field_selector_is_everything(const FieldSelector *selector);
/* The value VALUE of `metadata.name=VALUE` when the selector asks for exactly one name, else NULL. Borrowed. */
const char *field_selector_single_name(const FieldSelector *selector);
void field_selector_free(FieldSelector *selector);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FieldSelector, field_selector_free)
