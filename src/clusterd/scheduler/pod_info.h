#pragma once
/* A pod as the scheduler sees it: what its value says, read once. Not thread-safe. */
#include "clusterd/api/object.h"
#include "clusterd/scheduler/resources.h"
#include "clusterd/scheduler/tally.h"

typedef struct NodeInfo NodeInfo;

typedef struct HostPort {
  const char *ip;       /* interned; "" for any address */
  const char *protocol; /* interned */
  int port;
} HostPort;

/* A term of the pod's affinity or anti-affinity. */
typedef struct CarriedTerm {
  Term *term;
  TermSort sort;
  int weight; /* 1 but for TERM_PREFERRED; negative: of anti-affinity */
} CarriedTerm;

/* A topology spread constraint. */
typedef struct SpreadRule {
  Term *term;
  bool hard; /* DoNotSchedule */
  int64_t max_skew, min_domains;
  bool honors_affinity, honors_taints; /* which nodes take part */
} SpreadRule;

/* All of it but NODE is fixed. */
typedef struct PodInfo {
  unsigned refs;
  Object *object;
  NodeInfo *node; /* where it counts; NULL: nowhere */
  Resources request;
  int64_t usual_cpu, usual_memory; /* as requested, or what such a pod is taken to use when it says nothing */
  int64_t priority;
  bool ending;         /* being deleted */
  bool has_node_rules; /* node selector or affinity */
  PodClass *pod_class;
  GArray *ports;   /* HostPort; NULL: none */
  GArray *carried; /* CarriedTerm; NULL: none */
  Term *company;   /* selects what all required affinity terms select; NULL: there are none */
  GArray *spread;  /* SpreadRule; NULL: none */
  GStrv claims;    /* names of the claims it uses; NULL: none */
} PodInfo;

/* From OBJECT, whose terms and class are TALLY's. One reference. */
PodInfo *pod_info_new(Tally *tally, Object *object);
PodInfo *pod_info_ref(PodInfo *info);
void pod_info_unref(Tally *tally, PodInfo *info);

/* A spread constraint of a pod in NAMESPACE_ with LABELS. Its term is a new reference. */
SpreadRule spread_rule_from_json(Tally *tally, const json_t *constraint, const char *namespace_, const json_t *labels);

const json_t *pod_info_spec(const PodInfo *info);
const json_t *pod_info_labels(const PodInfo *info);

/* True when the ports are of one protocol and number and one address, or either of any. */
bool host_port_conflicts(const HostPort *a, const HostPort *b);
