#pragma once
/*
 * What the server says of a CustomResourceDefinition in its status, and the steps of its deletion. All of it works on
 * the JSON of one definition and touches nothing else.
 * Source: k8s.io/apiextensions-apiserver/pkg/controller/{status,establish,finalizer,apiapproval}.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#define DEFINITION_FINALIZER "customresourcecleanup.apiextensions.k8s.io"

/* Names that the definitions of one group have been granted. */
typedef struct DefinitionNames {
  GHashTable *resources, *kinds; /* sets of strings of their own */
} DefinitionNames;

/* Empty; freed by definition_names_free. */
DefinitionNames *definition_names_new(void);
void definition_names_free(DefinitionNames *names);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DefinitionNames, definition_names_free)
/* Adds the accepted names of DEFINITION. */
void definition_names_add(DefinitionNames *names, const json_t *definition);

/* Grants DEFINITION the names it asks for and no other has TAKEN, and brings its conditions up to date: in place. True
 * when anything changed. */
bool definition_update_status(json_t *definition, const DefinitionNames *taken);

/* What DEFINITION's conditions say. */
bool definition_is_established(const json_t *definition);
bool definition_is_terminating(const json_t *definition);

/* Sets a condition in place; lastTransitionTime changes with STATUS only. True when anything changed. */
bool definition_set_condition(json_t *definition, const char *type, const char *status, const char *reason,
                              const char *message);

/* The deletion of DEFINITION begins: the finalizer that keeps it until its objects are gone, and the condition. */
void definition_begin_deletion(json_t *definition);

/* Its objects are gone. False when the finalizer was not there. */
bool definition_drop_finalizer(json_t *definition);
