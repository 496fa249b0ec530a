#pragma once
/* What the tests of admission share: a registry in a temporary folder with a namespace `default`, and writes to it from
 * JSON text. Strings come in JSON with ' for ", so that they can be read. */
#include "clusterd/server/registry/registry.h"

typedef struct AdmissionFixture {
  char *folder;
  Store *store;
  ApiScheme *scheme;
  Registry *registry;
  json_t *warnings;         /* of the last write */
  const Identity *identity; /* who writes; NULL: nobody in particular */
} AdmissionFixture;

void admission_set_up(AdmissionFixture *fixture, gconstpointer data);
void admission_tear_down(AdmissionFixture *fixture, gconstpointer data);

/* The JSON of TEXT, with ' for ". New reference. */
json_t *admission_json(const char *text);

/* Writes of an object of RESOURCE ("pods", "deployments.v1.apps"; core/v1 without the rest) in NAMESPACE (NULL:
 * default, for namespaced kinds). New reference to what is stored; NULL with the error. */
Object *admission_create(AdmissionFixture *fixture, const char *resource, const char *namespace_, const char *text,
                         GError **error);
Object *admission_update(AdmissionFixture *fixture, const char *resource, const char *namespace_,
                         const char *subresource, const char *name, const char *text, GError **error);
Object *admission_get(AdmissionFixture *fixture, const char *resource, const char *namespace_, const char *name);
bool admission_delete(AdmissionFixture *fixture, const char *resource, const char *namespace_, const char *name,
                      GError **error);

/* A create that must succeed, and one that must fail with MESSAGE. */
void admission_must_create(AdmissionFixture *fixture, const char *resource, const char *text);
void admission_must_refuse(AdmissionFixture *fixture, const char *resource, const char *text, const char *message);
