#pragma once
/* A cluster that is only in the scheduler's state: nodes, pods and what else rules look up, without a server. For
 * tables of "where does this pod go, and what is said when it goes nowhere". Values are YAML. */
#include <glib.h>

#include "clusterd/scheduler/placement.h"
#include "clusterd/scheduler/preemption.h"

typedef struct Scene {
  ClusterState *state;
  SchedulerProfile *profile;
  unsigned start;   /* where the next search among nodes begins */
  int64_t revision; /* of the newest object */
} Scene;

Scene *scene_new(void);
void scene_free(Scene *scene);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scene, scene_free)

/* An object of KIND, as whole YAML value; uid is its name where it says none. New reference. */
Object *scene_object(Scene *scene, SchedulerKind kind, const char *yaml);

/* Puts such an object into the state; of pods those with spec.nodeName. */
void scene_add(Scene *scene, SchedulerKind kind, const char *yaml);

/* A node with 2 CPUs, 2 GiB and 10 pods; LABELS as a YAML map, SPEC as YAML members or "". */
void scene_node(Scene *scene, const char *name, const char *labels, const char *spec);

/* A pod NAME of label app: APP that runs on NODE; SPEC as YAML members or "". */
void scene_run(Scene *scene, const char *name, const char *app, const char *node, const char *spec);

/* The pod NAME as PodInfo; not in the state. The caller unrefs it. */
PodInfo *scene_pod(Scene *scene, const char *name, const char *app, const char *spec);

/* Where such a pod goes: the node's name, or the message why it goes nowhere. The caller frees. */
char *scene_place(Scene *scene, const char *app, const char *spec);

/* The names of all nodes such a pod may use, in their order: "a b". The caller frees. */
char *scene_fitting(Scene *scene, const char *app, const char *spec);

/* As scene_place, and it runs there from then on. */
char *scene_put(Scene *scene, const char *name, const char *app, const char *spec);

/* Who must go for such a pod: "node: victim, victim" in order of importance, or the message. The caller frees. */
char *scene_preempt(Scene *scene, const char *app, const char *spec);

#define scene_expect(call, expected)                                                                                   \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    g_autofree char *got_ = call;                                                                                      \
    g_assert_cmpstr(got_, ==, expected);                                                                               \
  }                                                                                                                    \
  G_STMT_END
