#pragma once
/*
 * The in-process client: the only way controllers, scheduler, node, proxy and DNS touch the API. It goes through the
 * same pipeline as an HTTP request, as the component's own user. Calls block; never call from an informer handler's
 * thread something that waits for that informer.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/server/registry/registry.h"

typedef struct Client Client;

/* COMPONENT ("deployment-controller") names the field manager and the event source. REGISTRY must outlive the client.
 */
Client *client_new(Registry *registry, const char *component);
void client_free(Client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Client, client_free)

Registry *client_registry(const Client *client);
const char *client_component(const Client *client);

/* A kind by apiVersion and plural ("apps/v1", "deployments"). Never NULL: an unknown name is a bug and aborts. */
const ApiKind *client_kind(const Client *client, const char *api_version, const char *plural);

/* All take "api_version", "plural" as client_kind; NAMESPACE is NULL for cluster-scoped kinds (and all namespaces in
 * client_list). Results are new references, NULL with the API's error. */
Object *client_get(Client *client, const char *api_version, const char *plural, const char *namespace_,
                   const char *name, GError **error);
ObjectList *client_list(Client *client, const char *api_version, const char *plural, const char *namespace_,
                        const LabelSelector *labels, GError **error);
/* VALUE is borrowed; apiVersion and kind are filled in where absent. */
Object *client_create(Client *client, const char *api_version, const char *plural, const char *namespace_,
                      const json_t *value, GError **error);
/* The value's own namespace, name and resourceVersion say what is replaced; SUBRESOURCE may be NULL. */
Object *client_update(Client *client, const char *api_version, const char *plural, const char *subresource,
                      const json_t *value, GError **error);
/* Read-modify-write with retries; see registry_modify. */
Object *client_modify(Client *client, const char *api_version, const char *plural, const char *namespace_,
                      const char *name, const char *subresource, RegistryChange change, void *data, GError **error);
Object *client_patch(Client *client, const char *api_version, const char *plural, const char *namespace_,
                     const char *name, const char *subresource, PatchType type, const json_t *patch, GError **error);
/* OPTIONS may be NULL. Absent is success when the error is NULL-able by the caller: check REASON_NOT_FOUND. */
bool client_delete(Client *client, const char *api_version, const char *plural, const char *namespace_,
                   const char *name, const DeleteOptions *options, GError **error);
