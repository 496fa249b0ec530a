#pragma once
/* A custom resource from one version into another, and as its newest definition has it. */
#include "clusterd/api/custom/custom_definition.h"
#include "clusterd/server/registry/registry.h"

/* STORED as KIND has it: converted when it was written in another version, without what KIND does not know, with its
 * defaults. New reference. May ask a webhook. */
Object *custom_version_view(const ApiKind *kind, Object *stored, GError **error);

/* An object of the custom KIND from BYTES of the store: in the version the bytes were written in, as that is defined
 * today. New reference. */
Object *custom_version_load(const ApiScheme *scheme, const ApiKind *kind, GBytes *bytes, int64_t revision,
                            GError **error);

/* VALUE (of any version) in the version it is stored in, *STORAGE. New reference. May ask a webhook. */
json_t *custom_version_to_storage(const ApiKind *kind, const json_t *value, GError **error);

/* True when showing objects of KIND may mean to ask a webhook, and so take long. */
bool custom_version_may_ask(const ApiKind *kind);

/* Converts by the definition's webhook; a CustomConverter with the registry as DATA. */
json_t *custom_version_convert(const CustomDefinition *definition, const char *api_version, const json_t *value,
                               void *data, GError **error);
