#pragma once
/* The kubelet over a real registry and a runtime in memory. */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/client/informer.h"
#include "clusterd/node/kubelet.h"
#include "clusterd/server/registry/registry.h"
#include "fake_runtime.h"

#define WAIT_SECONDS 60
#define wait_until(condition)                                                                                          \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    gint64 end_ = g_get_monotonic_time() + WAIT_SECONDS * G_USEC_PER_SEC;                                              \
    bool met_;                                                                                                         \
    while (!(met_ = (condition)) && g_get_monotonic_time() < end_)                                                     \
      g_usleep(1000);                                                                                                  \
    if (!met_)                                                                                                         \
      g_error("line %d: %s", __LINE__, #condition);                                                                    \
  }                                                                                                                    \
  G_STMT_END

typedef struct Fixture {
  char *folder, *pods, *logs, *manifests;
  Store *store;
  ApiScheme *scheme;
  Registry *registry;
  InformerSet *informers;
  Client *client;
  Runtime *runtime;
  Kubelet *kubelet;
  /* what the kubelet is told, when the test sets them before set_up; NULL: nobody looks for pressure */
  const PressureSettings *pressure;
  const PressureSource *pressure_source;
  char *image_records;
} Fixture;

#define ONE "containers: [{name: c, image: 'test:1'}]"

json_t *create(Fixture *fixture, const char *api_version, const char *plural, const char *namespace_, const char *yaml);

void start_kubelet(Fixture *fixture);

void stop_kubelet(Fixture *fixture);

void set_up(Fixture *fixture, gconstpointer data);

void tear_down(Fixture *fixture, gconstpointer data);

/* A pod bound to the node; SPEC is the rest of its specification as YAML flow. Its uid, to be freed. */
char *create_pod(Fixture *fixture, const char *name, const char *spec);

/* A member of the pod's status by path; the caller frees; "" when it is absent. */
char *status_of(Fixture *fixture, const char *name, const char *path);

bool status_is(Fixture *fixture, const char *name, const char *path, const char *value);

bool shows_condition(Fixture *fixture, const char *name, const char *type, const char *value);

bool exists(Fixture *fixture, const char *name);

bool has_event(Fixture *fixture, const char *reason, const char *text);

void delete_pod(Fixture *fixture, const char *name, int64_t grace);
