#pragma once
/*
 * CustomResourceDefinitions put to work. What a definition says becomes kinds of the scheme at the moment the
 * definition is stored, before its writer hears of it; one thread grants names, keeps the conditions, and removes the
 * objects of definitions that are deleted. Every API server does so for itself: what others store is seen the same way.
 */
#include "clusterd/server/registry/registry.h"

typedef struct CustomResources CustomResources;

/* Installs the kinds of all established definitions and loads their objects. The registry's built-in kinds must be
 * loaded, and its feed not have begun. NULL when the store cannot be read. */
CustomResources *custom_resources_new(Registry *registry, GError **error);

/* Begins to look after definitions; the registry must work by now. */
void custom_resources_start(CustomResources *resources);

/* Ends the thread and frees. The registry must still work. */
void custom_resources_free(CustomResources *resources);

/* False with 405 while the definition of KIND is being deleted: nothing new comes into being then. */
bool custom_resources_check_create(Registry *registry, const ApiKind *kind, GError **error);
