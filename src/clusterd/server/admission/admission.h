#pragma once
/*
 * What may still change or refuse a write after authorization: upstream's admission plugins, compiled in, in upstream's
 * order, as one table (admission_plugins.c). First every plugin's mutate, then (after validation of the object) every
 * validate. Besides them run the server's own rules, which are no plugins upstream and cannot be disabled.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
 */
#include "clusterd/server/registry/registry.h"

typedef enum AdmissionOperation {
  ADMISSION_CREATE,
  ADMISSION_UPDATE,
  ADMISSION_DELETE,
  ADMISSION_CONNECT
} AdmissionOperation;

/* "CREATE", …: as webhooks and upstream's messages call it. */
const char *admission_operation_name(AdmissionOperation operation);

typedef struct WebhookRounds WebhookRounds; /* of admission/mutating_webhook.c */

typedef struct AdmissionRequest {
  Registry *registry;
  const Caller *caller;
  const Target *target; /* as asked */
  const ApiKind *kind;  /* the storage version: OBJECT and OLD are in it */
  AdmissionOperation operation;
  json_t *object;        /* what will be stored; NULL at deletion */
  const json_t *old;     /* what is stored; NULL at creation */
  bool stored;           /* for finish: the write succeeded */
  const json_t *options; /* DeleteOptions; NULL: those CALLER tells */
  bool is_body;          /* OBJECT is what the subresource takes (Binding, PodExecOptions), not the resource */
  /* Of mutate: a plugin sets REINVOKE when it changed the object in a way others should see; all then run once more,
   * with REINVOKING set. */
  bool reinvoke, reinvoking;
  WebhookRounds *rounds;
} AdmissionRequest;

typedef struct AdmissionPlugin {
  const char *name;
  bool takes_bodies; /* also asked about AdmissionRequest.is_body */
  /* The plugin's own state; NULL when it has none. Observers of the registry are added here. */
  void *(*create)(Registry *registry);
  void (*destroy)(void *state);
  /* Fills the state from what the store holds; once, before the first request. */
  void (*load)(void *state);
  /* May change the object. False refuses the write. */
  bool (*mutate)(void *state, AdmissionRequest *request, GError **error);
  /* Gives out what objects may not share (addresses, ports). After the strategy has brought the object to its final
   * form and before it is validated. */
  bool (*allocate)(void *state, AdmissionRequest *request, GError **error);
  /* May only refuse. */
  bool (*validate)(void *state, const AdmissionRequest *request, GError **error);
  /* The write has ended, one way or the other: reservations made for it can go. Called for every request whose mutate
   * was called. */
  void (*finish)(void *state, const AdmissionRequest *request);
} AdmissionPlugin;

/* One plugin upstream has, at its place in the order. */
typedef struct AdmissionRow {
  const char *name;
  bool enabled;                  /* unless it is disabled */
  const AdmissionPlugin *plugin; /* NULL: this server does without it */
} AdmissionRow;

/* All rows, in the order they run. */
const AdmissionRow *admission_rows(gsize *n_rows);

typedef struct Admission Admission;

/* Plugins for writes to REGISTRY, which must outlive them; admission_choose may follow. Freed by admission_free. */
Admission *admission_new(Registry *registry);

/* Which plugins run: those that are on by default, without those in DISABLE, with those in ENABLE (NULL-terminated
 * lists of names; either may be NULL). To be called before the first request. REASON_CONFIG, with kube-apiserver's
 * text, for a name nobody knows or in both lists; nothing is changed then. */
bool admission_choose(Admission *admission, const char *const *enable, const char *const *disable, GError **error);

/* Lets every plugin look at what is stored already. Once, before the first request. */
void admission_load(Admission *admission);
void admission_free(Admission *admission);

/* The state of PLUGIN, which must be one of the table or of the rules. */
void *admission_state(Admission *admission, const AdmissionPlugin *plugin);

/* The steps of one write, in this order: plugins change REQUEST->object; give out what objects may not share
 * (addresses, ports); look at the result. False with the error of the plugin that refuses. admission_finish follows in
 * any case, and tells them by REQUEST->stored whether it came to something. Thread-safe. */
bool admission_mutate(Admission *admission, AdmissionRequest *request, GError **error);
bool admission_allocate(Admission *admission, AdmissionRequest *request, GError **error);
bool admission_validate(Admission *admission, const AdmissionRequest *request, GError **error);
void admission_finish(Admission *admission, const AdmissionRequest *request);

/* Mutates and validates what is sent to a subresource that is no write of the resource itself: BODY is a Binding, an
 * Eviction, a TokenRequest, or the options of a connection (PodExecOptions). */
bool admission_admit_body(Registry *registry, const Caller *caller, const Target *target, AdmissionOperation operation,
                          json_t *body, GError **error);

/* The range cluster IPs are from ("10.96.0.0/12", which is the default). REASON_CONFIG. */
bool admission_use_service_range(Admission *admission, const char *range, GError **error);
bool admission_set_service_range(void *state, const char *range, GError **error); /* of admission_service_address */

/* True for a write of the main resource PLURAL of GROUP (not one of its subresources). */
bool admission_is_about(const AdmissionRequest *request, const char *group, const char *plural);

/* What errors call the object of REQUEST; borrowed, never "": while plugins change a new object, a generated name is
 * not made up yet, and its beginning stands for it. */
const char *admission_name(const AdmissionRequest *request);

/* Refuses REQUEST: `pods "a" is forbidden: WHY`, 403. */
bool admission_forbid(const AdmissionRequest *request, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* True when the write makes a new object of the main resource PLURAL of GROUP. */
bool admission_creates(const AdmissionRequest *request, const char *group, const char *plural);

/* The stored object NAME of a kind of the API's newest version ("storage.k8s.io", "v1", "storageclasses"); NAMESPACE_
 * NULL for cluster-scoped kinds. New reference; NULL: there is none. */
Object *admission_find(const AdmissionRequest *request, const char *group, const char *version, const char *plural,
                       const char *namespace_, const char *name);

extern const AdmissionPlugin admission_always_pull_images;
extern const AdmissionPlugin admission_anti_affinity;
extern const AdmissionPlugin admission_certificate_approval;
extern const AdmissionPlugin admission_certificate_signing;
extern const AdmissionPlugin admission_certificate_subject;
extern const AdmissionPlugin admission_certificate_requestor; /* a rule, no plugin: it always runs */
extern const AdmissionPlugin admission_default_ingress_class;
extern const AdmissionPlugin admission_default_storage_class;
extern const AdmissionPlugin admission_default_tolerations;
extern const AdmissionPlugin admission_deny_external_ips;
extern const AdmissionPlugin admission_extended_resources;
extern const AdmissionPlugin admission_limit_ranger;
extern const AdmissionPlugin admission_mutating_webhook;
extern const AdmissionPlugin admission_namespace_auto_provision;
extern const AdmissionPlugin admission_namespace_exists;
extern const AdmissionPlugin admission_namespace_lifecycle;
extern const AdmissionPlugin admission_node_restriction;
extern const AdmissionPlugin admission_node_taint;
extern const AdmissionPlugin admission_owner_references;
extern const AdmissionPlugin admission_pod_node_selector;
extern const AdmissionPlugin admission_pod_preset;
extern const AdmissionPlugin admission_pod_security;
extern const AdmissionPlugin admission_pod_tolerations;
extern const AdmissionPlugin admission_priority;
extern const AdmissionPlugin admission_rbac_escalation;
extern const AdmissionPlugin admission_resource_quota;
extern const AdmissionPlugin admission_runtime_class;
extern const AdmissionPlugin admission_service_account;
extern const AdmissionPlugin admission_service_address;
extern const AdmissionPlugin admission_storage_object_in_use;
extern const AdmissionPlugin admission_validating_webhook;
extern const AdmissionPlugin admission_volume_claim_resize;
