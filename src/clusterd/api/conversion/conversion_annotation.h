#pragma once
/* What an older version of a kind has no member for travels in an annotation, so that a client of that version that
 * writes back what it read loses nothing. Shared by the conversion_*.c files. */
#include <jansson.h>

#define AUTOSCALING_ANNOTATION "autoscaling.alpha.kubernetes.io/"

/* Moves OBJECT's PART.MEMBER ("spec", "behavior"), where there is one, into the annotation, as JSON text. */
void conversion_hide(json_t *object, const char *part, const char *member, const char *annotation);

/* The way back. An annotation that is no JSON was not made by conversion_hide and stays where it is. */
void conversion_reveal(json_t *object, const char *part, const char *member, const char *annotation);

/* Removes the annotation, and an object of annotations that is empty then. */
void conversion_forget(json_t *object, const char *annotation);
