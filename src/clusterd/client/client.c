#include "clusterd/client/client.h"

#include <string.h>

#include "base/json.h"

struct Client {
  Registry *registry;
  char *component;
};

Client *client_new(Registry *registry, const char *component)
{
  Client *client = g_new0(Client, 1);
  client->registry = registry;
  client->component = g_strdup(component);
  return client;
}

void client_free(Client *client)
{
  if (!client)
    return;
  g_free(client->component);
  g_free(client);
}

Registry *client_registry(const Client *client)
{
  return client->registry;
}

const char *client_component(const Client *client)
{
  return client->component;
}

const ApiKind *client_kind(const Client *client, const char *api_version, const char *plural)
{
  const char *slash = strchr(api_version, '/');
  g_autofree char *group = slash ? g_strndup(api_version, (gsize)(slash - api_version)) : g_strdup("");
  const char *version = slash ? slash + 1 : api_version;
  const ApiKind *kind = api_scheme_resource(registry_scheme(client->registry), group, version, plural);
  if (!kind)
    g_error("%s asks for an unknown kind: %s %s", client->component, api_version, plural);
  return kind;
}

static Caller caller_of(const Client *client)
{
  return (Caller){ .field_manager = client->component };
}

static Target target_of(const Client *client, const char *api_version, const char *plural, const char *namespace_,
                        const char *name, const char *subresource)
{
  return (Target){ .kind = client_kind(client, api_version, plural),
                   .namespace_ = namespace_ && *namespace_ ? namespace_ : NULL,
                   .name = name,
                   .subresource = subresource };
}

Object *client_get(Client *client, const char *api_version, const char *plural, const char *namespace_,
                   const char *name, GError **error)
{
  Caller caller = caller_of(client);
  Target target = target_of(client, api_version, plural, namespace_, name, NULL);
  return registry_get(client->registry, &caller, &target, error);
}

ObjectList *client_list(Client *client, const char *api_version, const char *plural, const char *namespace_,
                        const LabelSelector *labels, GError **error)
{
  Caller caller = caller_of(client);
  Target target = target_of(client, api_version, plural, namespace_, NULL, NULL);
  ListOptions options = { .labels = labels };
  return registry_list(client->registry, &caller, &target, &options, error);
}

Object *client_create(Client *client, const char *api_version, const char *plural, const char *namespace_,
                      const json_t *value, GError **error)
{
  Caller caller = caller_of(client);
  Target target = target_of(client, api_version, plural, namespace_, NULL, NULL);
  g_autoptr(json_t) typed = json_object();
  json_object_set_new(typed, "apiVersion", json_string(api_version));
  json_object_set_new(typed, "kind", json_string(target.kind->kind));
  const char *key;
  json_t *member;
  /* jansson's iterators take a non-const object; nothing is changed through it. */
  json_object_foreach ((json_t *)(uintptr_t)value, key, member)
    json_object_set(typed, key, member);
  return registry_create(client->registry, &caller, &target, typed, error);
}

Object *client_update(Client *client, const char *api_version, const char *plural, const char *subresource,
                      const json_t *value, GError **error)
{
  Caller caller = caller_of(client);
  const json_t *metadata = json_object_get(value, "metadata");
  Target target = target_of(client, api_version, plural, json_str(metadata, "namespace", NULL),
                            json_str(metadata, "name", ""), subresource);
  return registry_update(client->registry, &caller, &target, value, NULL, error);
}

Object *client_modify(Client *client, const char *api_version, const char *plural, const char *namespace_,
                      const char *name, const char *subresource, RegistryChange change, void *data, GError **error)
{
  Caller caller = caller_of(client);
  Target target = target_of(client, api_version, plural, namespace_, name, subresource);
  return registry_modify(client->registry, &caller, &target, change, data, error);
}

Object *client_patch(Client *client, const char *api_version, const char *plural, const char *namespace_,
                     const char *name, const char *subresource, PatchType type, const json_t *patch, GError **error)
{
  Caller caller = caller_of(client);
  Target target = target_of(client, api_version, plural, namespace_, name, subresource);
  return registry_patch(client->registry, &caller, &target, type, patch, false, NULL, error);
}

bool client_delete(Client *client, const char *api_version, const char *plural, const char *namespace_,
                   const char *name, const DeleteOptions *options, GError **error)
{
  static const DeleteOptions by_default = { .grace_period_seconds = -1 };
  Caller caller = caller_of(client);
  Target target = target_of(client, api_version, plural, namespace_, name, NULL);
  bool gone = false;
  g_autoptr(Object) last =
      registry_delete(client->registry, &caller, &target, options ? options : &by_default, &gone, error);
  return last != NULL;
}
