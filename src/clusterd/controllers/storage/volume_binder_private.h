#pragma once
/* What the parts of the binder share. All of it runs on the queue's one worker, so that no two claims are given the
 * same volume; whatever others write meanwhile is looked at again in each write. */
#include "clusterd/client/recorder.h"
#include "clusterd/client/volume_match.h"
#include "clusterd/client/work_queue.h"
#include "clusterd/controllers/storage/volume_binder.h"
#include "clusterd/controllers/storage/volume_folders.h"
#include "clusterd/controllers/storage/volume_index.h"

#define VOLUMES_BY_CLAIM "claim-ref"   /* of volumes: "namespace/name" of the claim they are for */
#define CLAIMS_BY_VOLUME "volume-name" /* of claims: the volume they name */
#define CLAIMS_UNBOUND "unbound-class" /* of claims that are not bound and name no volume: their class */

struct VolumeBinder {
  Client *client;
  Recorder *recorder;
  Informer *claims, *volumes, *classes, *pods, *nodes;
  VolumeIndex *available;       /* follows the volumes' informer */
  GHashTable *told;             /* key of a claim → Told; the worker's alone */
  const VolumeFolders *folders; /* NULL: no node on this machine */
  WorkQueue *queue;             /* "namespace/name" of claims, "name" of volumes */
};

/* claim_binding.c: brings a claim nearer to a volume. */
bool claim_binding_sync(VolumeBinder *binder, const char *key, const Object *claim, GError **error);

/* claim_provision.c: a claim without a volume: asks for one to be made, or says why there is none. */
bool claim_provision(VolumeBinder *binder, const char *key, const Object *claim, const json_t *class, GError **error);

/* volume_phase.c: brings a volume's phase in line with its claim, and takes it back from one that is gone. */
bool volume_phase_sync(VolumeBinder *binder, const Object *volume, GError **error);

/* volume_reclaim.c: does with a released volume what its policy says. */
bool volume_reclaim(VolumeBinder *binder, const Object *volume, GError **error);

/* binding_write.c. Each leaves alone what is right already, and returns after the informers show what was written.
 * False with REASON_CONFLICT when somebody else was faster, or the API's error. */
bool binding_tie(VolumeBinder *binder, const Object *volume, const Object *claim, GError **error);
bool binding_untie(VolumeBinder *binder, const Object *volume, GError **error);
bool binding_set_phase(VolumeBinder *binder, const Object *volume, const char *phase, const char *message,
                       bool *changed, GError **error);
/* PHASE without a volume: capacity and access modes go. *CHANGED (may be NULL, as above): whether it was another phase.
 */
bool binding_set_claim_phase(VolumeBinder *binder, const Object *claim, const char *phase, bool *changed,
                             GError **error);

/* volume_binder.c: an event about a claim that will be seen again and again as long as nothing changes: it is written
 * once, and again now and then, so that people who look later find it. */
void binder_tell(VolumeBinder *binder, const char *key, const Object *claim, const char *type, const char *reason,
                 const char *text);
void binder_forget(VolumeBinder *binder, const char *key);

/* Queues the claim that wants most of VOLUME, which has become available. When that claim gets another volume or goes,
 * binder_wake_for_rest has the next asked: so as many claims are looked at as there are volumes for them. */
void binder_wake_claims(VolumeBinder *binder, const Object *volume);

/* CLAIM needs no volume any more but TAKEN (NULL: none): another that it could have had is for others now. */
void binder_wake_for_rest(VolumeBinder *binder, const json_t *claim, const char *taken);

/* The names of pods that use the claim KEY and are not over, joined by commas, or NULL. UNSCHEDULED: only those without
 * a node, else all, with their namespaces. *COUNT says how many. The caller frees. */
char *binder_pods_of(const VolumeBinder *binder, const char *key, bool unscheduled, unsigned *count);
