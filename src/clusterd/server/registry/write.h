#pragma once
/* The steps of one write, shared by create, update, patch and delete. Internal to the registry. */
#include "clusterd/server/admission/admission.h"
#include "clusterd/server/registry/registry_private.h"

/* A write under way. */
typedef struct Write {
  Registry *registry;
  const Caller *caller;
  const Target *target;
  const ApiKind *storage; /* the version OLD and VALUE are in */
  Object *old;            /* what is stored; NULL: nothing */
  json_t *value;          /* what shall be stored; owned */
  bool moves;             /* what is stored is in another version than what will be */
  bool fields_managed;    /* managedFields are right already (server-side apply) */
  bool lost;              /* out: another write came between; trying again may succeed */
} Write;

/* A write of TARGET by CALLER (NULL: the server itself), all borrowed, that has neither OLD nor VALUE yet. */
Write write_new(Registry *registry, const Caller *caller, const Target *target);

void write_clear(Write *write);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Write, write_clear)

/* Fills OLD with what is stored, in the version the write works in; it stays NULL when nothing is. False with the error
 * when that cannot be told. */
bool write_load(Write *write, GError **error);

/* A complete value of the request's version (borrowed), with defaults, in the storage version. New reference. */
json_t *write_prepare(const Write *write, const json_t *input, GError **error);

/* The metadata of WRITE->value, and the name there, "" when there is none. Borrowed. */
json_t *write_metadata(const Write *write);
const char *write_name(const Write *write);

/* WRITE as admission plugins see it; borrows from it. */
AdmissionRequest write_admission(Write *write, AdmissionOperation operation);

/* WRITE as strategies see it. To them a scale is a write of the object itself. */
ApiWriteContext write_context(const Write *write);

/* Notes in managedFields who changes what, unless that is done. Before admission: what the server adds to an object
 * belongs to nobody, and whoever asks for it later may have it without a conflict. */
void write_manage_fields(Write *write);

/* Tells the caller what the strategy of the kind warns of. */
void write_warn(const Write *write);

/* Puts the members of VALUE and of its metadata in the order upstream writes them. */
void write_order(json_t *value);

/* Makes WRITE->value the first version of a new object. New reference to what is stored. */
Object *write_create(Write *write, GError **error);

/* Makes WRITE->value the next version of WRITE->old, or removes the object when that was the last thing its deletion
 * waited for. New reference to what is stored. */
Object *write_replace(Write *write, GError **error);

/* Puts WRITE->value in the store in place of OLD without further checks. */
Object *write_store(Write *write, GError **error);

/* Removes OLD from the store. The result is WRITE->value as the last state (or OLD). */
Object *write_remove(Write *write, GError **error);

/* subresource.c: what a write to a subresource makes of the whole object. INPUT is what the client sent (its own kind,
 * e.g. a Scale). New reference in the storage version. */
json_t *subresource_merge(const Write *write, const json_t *input, GError **error);

/* The message the body of TARGET's subresource is (Scale, Binding, …); NULL: the resource's own, or no subresource. */
const ApiMessage *subresource_message(const Target *target);

/* POST to a subresource (binding, eviction). */
Object *subresource_create(Registry *registry, const Caller *caller, const Target *target, const json_t *value,
                           GError **error);
