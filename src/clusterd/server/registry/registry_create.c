/* Create: everything between a decoded value and the store. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/api/validation.h"
#include "clusterd/server/api_error.h"
#include "clusterd/server/custom/custom_resources.h"
#include "clusterd/server/registry/write.h"

#define NAME_SUFFIX_LENGTH 5
#define GENERATED_BASE_MAX 58 /* with the suffix a DNS label's 63 */
#define GENERATE_ATTEMPTS 8

static char *generate_name(const char *base)
{
  /* upstream's alphabet: no vowels, so no words; no characters that look alike */
  static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
  char suffix[NAME_SUFFIX_LENGTH + 1] = { 0 };
  for (int i = 0; i < NAME_SUFFIX_LENGTH; i++)
    suffix[i] = alphabet[g_random_int_range(0, sizeof alphabet - 1)];
  return g_strdup_printf("%.*s%s", GENERATED_BASE_MAX, base, suffix);
}

static bool check_namespace(const Write *write, GError **error)
{
  const Target *target = write->target;
  json_t *metadata = write_metadata(write);
  const char *given = json_str(metadata, "namespace", "");
  if (!write->storage->namespaced) {
    if (*given)
      return reason_set(error, REASON_BAD_REQUEST,
                        "the namespace of the provided object does not match the namespace sent on the request");
    return true;
  }
  if (!target->namespace_ || !*target->namespace_)
    return reason_set(error, REASON_BAD_REQUEST, "an empty namespace may not be set during creation");
  if (*given && !g_str_equal(given, target->namespace_))
    return reason_set(error, REASON_BAD_REQUEST,
                      "the namespace of the provided object does not match the namespace sent on the request");
  json_object_set_new(metadata, "namespace", json_string(target->namespace_));
  return true;
}

/* What only the server may say about a new object. */
static bool start_metadata(const Write *write, GError **error)
{
  static const char *const server_owned[] = { "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
                                              "resourceVersion", "generation" };
  json_t *metadata = write_metadata(write);
  if (!check_namespace(write, error))
    return false;
  if (*json_str(metadata, "resourceVersion", ""))
    return reason_set(error, REASON_BAD_REQUEST, "resourceVersion should not be set on objects to be created");
  if (write->target->name)
    json_object_set_new(metadata, "name", json_string(write->target->name));
  for (gsize i = 0; i < G_N_ELEMENTS(server_owned); i++)
    json_object_del(metadata, server_owned[i]);
  return true;
}

/* What makes it an object of its own. After admission may have changed it: a plugin, and a webhook above all, sees a
 * name that is still to be made as none, as upstream. */
static bool finish_metadata(const Write *write, GError **error)
{
  json_t *metadata = json_ensure_object(write->value, "metadata", NULL);
  if (write->target->name)
    json_object_set_new(metadata, "name", json_string(write->target->name));
  const char *base = json_str(metadata, "generateName", "");
  if (!*write_name(write) && *base) {
    g_autofree char *name = generate_name(base);
    json_object_set_new(metadata, "name", json_string(name));
  }
  g_autofree char *uid = g_uuid_string_random();
  g_autofree char *now = timestamp_now();
  json_object_set_new(metadata, "uid", json_string(uid));
  json_object_set_new(metadata, "creationTimestamp", json_string(now));
  if (write->storage->has_spec_generation)
    json_object_set_new(metadata, "generation", json_integer(1));
  return check_namespace(write, error);
}

/* Status belongs to /status; a Node's comes with its registration. */
static bool drops_status_on_create(const ApiKind *kind)
{
  return api_kind_subresource(kind, "status") && !(g_str_equal(kind->plural, "nodes") && !*kind->group);
}

/* Who asks for a certificate is part of the request, whatever the client says. */
static void note_requestor(const Write *write)
{
  static const char *const members[] = { "username", "uid", "groups", "extra" };
  const Identity *identity = write->caller ? write->caller->identity : NULL;
  if (!identity || strcmp(write->storage->kind, "CertificateSigningRequest") != 0)
    return;
  json_t *spec = json_ensure_object(write->value, "spec", NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
    json_object_del(spec, members[i]);
  g_autoptr(json_t) user = identity_user_info(identity);
  json_object_update(spec, user);
}

static Object *create_admitted(Write *write, AdmissionRequest *request, GError **error)
{
  const ApiStrategy *strategy = write->storage->strategy;
  ApiWriteContext context = write_context(write);
  write_manage_fields(write);
  if (!admission_mutate(write->registry->admission, request, error) || !finish_metadata(write, error))
    return NULL;
  if (strategy && strategy->prepare_create)
    strategy->prepare_create(write->value);
  note_requestor(write);
  api_set_defaults(write->storage->message, write->value);
  if (!admission_allocate(write->registry->admission, request, error) ||
      !api_validate(write->storage, write->value, NULL, &context, error) ||
      !admission_validate(write->registry->admission, request, error))
    return NULL;
  write_warn(write);
  return write_store(write, error);
}

Object *write_create(Write *write, GError **error)
{
  if (write->storage->custom && !custom_resources_check_create(write->registry, write->storage, error))
    return NULL;
  if (drops_status_on_create(write->storage))
    json_object_del(write->value, "status");
  if (!start_metadata(write, error))
    return NULL;
  AdmissionRequest request = write_admission(write, ADMISSION_CREATE);
  g_autoptr(json_t) object = json_incref(write->value); /* until finish has looked at it */
  Object *made = create_admitted(write, &request, error);
  request.stored = made != NULL;
  admission_finish(write->registry->admission, &request);
  return made;
}

Object *registry_create(Registry *registry, const Caller *caller, const Target *target, const json_t *value,
                        GError **error)
{
  if (target->subresource)
    return subresource_create(registry, caller, target, value, error);
  bool generated = !target->name && !*json_str(json_object_get(value, "metadata"), "name", "");
  for (int attempt = 1;; attempt++) {
    g_autoptr(GError) problem = NULL;
    g_auto(Write) write = write_new(registry, caller, target);
    write.value = write_prepare(&write, value, error);
    if (!write.value || !registry_catch_up(registry, error))
      return NULL;
    g_autoptr(Object) stored = write_create(&write, &problem);
    if (stored)
      return registry_show(target, stored, error);
    if (generated && reason_is(problem, REASON_ALREADY_EXISTS)) {
      if (attempt < GENERATE_ATTEMPTS)
        continue; /* the generated name was taken */
      api_error_no_name_left(error, target->kind, write_name(&write));
      return NULL;
    }
    g_propagate_error(error, g_steal_pointer(&problem));
    return NULL;
  }
}
