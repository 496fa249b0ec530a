#pragma once
/* Small questions about a pod's specification. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

/* The container of any list by name; borrowed, NULL: none. */
json_t *pod_spec_container(const json_t *pod, const char *name);

/* An init container that goes on running beside the others (restartPolicy Always). */
bool pod_spec_is_sidecar(const json_t *init_container);

const char *pod_spec_restart_policy(const json_t *pod);

/* "app_default(UID)", as events and messages name a pod. The caller frees. */
char *pod_spec_title(const json_t *pod);

/* deletionTimestamp is set. */
bool pod_spec_is_terminating(const json_t *pod);

/* Seconds the pod has to stop: metadata's while it is deleted, else the specification's, else 30. */
int64_t pod_spec_grace_seconds(const json_t *pod);

/* For g_ptr_array_sort over char*. */
gint pod_spec_compare_strings(gconstpointer a, gconstpointer b);
