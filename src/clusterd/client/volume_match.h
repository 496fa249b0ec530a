#pragma once
/* Which persistent volume may serve which claim, as the binder and the scheduler both ask. Pure; all results are
 * borrowed. Source: k8s.io/component-helpers storage/volume, k8s.io/kubernetes pkg/controller/volume/persistentvolume.
 */
#include <jansson.h>
#include <stdbool.h>

#include "base/quantity.h"
#include "clusterd/api/selector/selector.h"

#define VOLUME_BIND_COMPLETED "pv.kubernetes.io/bind-completed"           /* of claims: both ends are tied */
#define VOLUME_BOUND_BY_CONTROLLER "pv.kubernetes.io/bound-by-controller" /* not by a person */
#define VOLUME_PROVISIONED_BY "pv.kubernetes.io/provisioned-by"           /* of volumes */
#define VOLUME_SELECTED_NODE "volume.kubernetes.io/selected-node"         /* of claims: where the scheduler wants it */
#define VOLUME_PROVISIONER "volume.kubernetes.io/storage-provisioner"     /* of claims: who shall make a volume */
#define VOLUME_PROVISIONER_BETA "volume.beta.kubernetes.io/storage-provisioner"

/* The annotation NAME of any object; NULL: it has none. */
const char *volume_annotation(const json_t *object, const char *name);

/* The storage class of a volume or claim: "" when it has none. A claim without one may be given the default class;
 * one whose class is said to be "" may not: claim_says_class tells them apart. */
const char *volume_class(const json_t *object);
bool claim_says_class(const json_t *claim);

/* What a claim asks for, what a volume holds; zero when it is not said. */
Quantity claim_size(const json_t *claim);
Quantity volume_size(const json_t *volume);

/* "Filesystem" or "Block", of a volume or claim. */
const char *volume_mode(const json_t *object);

/* True when the volume's claimRef is CLAIM: its namespace and name, and its uid or none yet. */
bool volume_is_for(const json_t *volume, const json_t *claim);

/* True when VOLUME has all access modes that CLAIM asks for. */
bool volume_has_access_modes(const json_t *volume, const json_t *claim);

/* Why VOLUME cannot serve CLAIM, whoever else it is for, in upstream's words; NULL: it can. */
const char *volume_mismatch(const json_t *volume, const json_t *claim);

/* True when VOLUME can serve CLAIM, its selector included. */
bool volume_fits(const json_t *volume, const json_t *claim);

/* True when VOLUME can be reached from NODE: its node affinity, which it may do without. */
bool volume_reaches(const json_t *volume, const json_t *node);

/* Of a storage class (NULL: there is none): whether binding waits for a pod; whether it is the default. */
bool storage_class_waits(const json_t *class);
bool storage_class_is_default(const json_t *class);
