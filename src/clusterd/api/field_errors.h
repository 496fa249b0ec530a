#pragma once
/* All that is wrong with an object, collected on one walk and reported at once as upstream does (422 Invalid).
 * Source: k8s.io/apimachinery/pkg/util/validation/field. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

typedef enum FieldErrorType {
  FIELD_REQUIRED,      /* "Required value" */
  FIELD_INVALID,       /* "Invalid value" */
  FIELD_NOT_SUPPORTED, /* "Unsupported value" */
  FIELD_DUPLICATE,     /* "Duplicate value" */
  FIELD_FORBIDDEN,     /* "Forbidden" */
  FIELD_NOT_FOUND,     /* "Not found" */
  FIELD_TOO_LONG,      /* "Too long" */
  FIELD_TOO_MANY,      /* "Too many" */
  FIELD_TYPE_INVALID,  /* "Invalid value", cause FieldValueTypeInvalid */
} FieldErrorType;

typedef struct FieldErrors FieldErrors;

FieldErrors *field_errors_new(void);
void field_errors_free(FieldErrors *errors);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FieldErrors, field_errors_free)

/* Adds one error on PATH ("spec.containers[0].name"). VALUE (borrowed, may be NULL) is shown in upstream's Go notation
 * where the type shows a value. DETAIL is the text after it. */
void field_errors_add(FieldErrors *errors, FieldErrorType type, const char *path, const json_t *value,
                      const char *detail, ...) G_GNUC_PRINTF(5, 6);

/* The same on the MEMBER of PARENT; MEMBER may be a path of its own ("spec.containers", "ports[0]"). */
void field_errors_add_at(FieldErrors *errors, FieldErrorType type, const char *parent, const char *member,
                         const json_t *value, const char *detail, ...) G_GNUC_PRINTF(6, 7);

/* Adds FIELD_NOT_SUPPORTED with upstream's list of supported values (NULL-terminated). */
void field_errors_add_unsupported(FieldErrors *errors, const char *path, const json_t *value,
                                  const char *const *supported);

/* As field_errors_add, with the text of the value as it is to be SHOWN in place of the value (NULL: none). */
void field_errors_add_shown(FieldErrors *errors, FieldErrorType type, const char *path, const char *shown,
                            const char *detail);

/* Adds all of MORE, which stays as it is. */
void field_errors_merge(FieldErrors *errors, const FieldErrors *more);

unsigned field_errors_count(const FieldErrors *errors);

/* True when there are none; else false with REASON_INVALID, upstream's message and details for this KIND ("Pod"), GROUP
 * and NAME. */
bool field_errors_finish(const FieldErrors *errors, const char *kind, const char *group, const char *name,
                         GError **error);

/* "parent.child" (or "child" when PARENT is ""), "list[3]", "map[key]". The caller frees. */
char *field_path_child(const char *parent, const char *child);
char *field_path_index(const char *parent, size_t index);
char *field_path_key(const char *parent, const char *key);
