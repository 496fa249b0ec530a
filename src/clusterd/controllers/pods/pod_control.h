#pragma once
/* Creating and deleting pods for an owner, with the events people look for. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/client/informer.h"
#include "clusterd/client/recorder.h"

typedef struct PodControl {
  Client *client;
  Recorder *recorder;
  Informer *pods;
} PodControl;

/* The pod a template of OWNER stands for: labels, annotations, finalizers and spec of TEMPLATE, OWNER as its
 * controller, and a generated name. New reference, to be changed before it is created. */
json_t *pod_control_make(const Object *owner, const json_t *template);

/* Creates COUNT equal pods: one, and when that worked two at the same time, then four, … so that a template nobody
 * accepts is not tried COUNT times. Returns after the informer shows them all. False with the first failure. */
bool pod_control_create(const PodControl *control, const Object *owner, const json_t *pod, unsigned count,
                        GError **error);

/* As pod_control_create, for PODS (json_t*) that differ. */
bool pod_control_create_all(const PodControl *control, const Object *owner, GPtrArray *pods, GError **error);

/* True for the error of a namespace that is being deleted: it takes nothing new, which is no news for anybody.
 * pod_control_create and pod_control_create_all stop at it and are content. */
bool pod_control_is_moot(const GError *error);

/* Creates one pod; returns it after the informer shows it. */
Object *pod_control_create_one(const PodControl *control, const Object *owner, const json_t *pod, GError **error);

/* Deletes PODS (Object*) at the same time; returns after the informer knows. False with the first failure; pods that
 * are gone already are success. */
bool pod_control_delete(const PodControl *control, const Object *owner, GPtrArray *pods, GError **error);
