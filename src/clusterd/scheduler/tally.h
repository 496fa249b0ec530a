#pragma once
/*
 * How many pods of which sort are on which node: the counters behind topology spread and inter-pod affinity. They are
 * kept up to date pod by pod, so that what a rule finds does not depend on the number of pods.
 *
 * Pods with the same namespace and labels are one class. A term is a selector with namespaces and a topology key,
 * shared by all pods that name the same one. A class knows the terms that select it, so a pod that comes or goes
 * changes those counters alone; a new term is matched with the classes, not with the pods. Nodes are slots: small
 * numbers. Not thread-safe.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/api/selector/selector.h"

typedef struct Tally Tally;

/* The nodes as a topology key divides them. */
typedef struct Topology {
  char *key;
  unsigned refs;
  int32_t *domain;    /* of each slot; -1: the node has no such label */
  GHashTable *ids;    /* value → number of the domain + 1 */
  unsigned n_domains; /* numbers given so far */
} Topology;

/* What a pod can mean by carrying a term. */
typedef enum TermSort { TERM_ANTI, TERM_AFFINE, TERM_PREFERRED, TERM_SORTS } TermSort;

typedef struct Term {
  char *id;
  unsigned refs;
  Topology *topology;
  LabelSelector *selector;
  char **namespaces;                 /* may be empty */
  LabelSelector *namespace_selector; /* may be NULL */
  bool skips_ending;                 /* pods that are being deleted do not count */
  GPtrArray *parts;                  /* of a conjunction: Term*, one reference each; it has no selector. Else NULL */
  int32_t *matches;                  /* of each slot: the pods selected */
  int32_t *carried[TERM_SORTS];      /* of each slot: the pods that carry it, or the sum of their weights; NULL: none */
  unsigned n_carriers[TERM_SORTS];
} Term;

typedef struct PodClass {
  char *id;
  unsigned refs;
  char *namespace_;
  json_t *labels;
  bool ending;           /* being deleted */
  GHashTable *on_node;   /* slot + 1 → number of pods */
  GPtrArray *matched_by; /* Term*, borrowed */
} PodClass;

Tally *tally_new(void);
void tally_free(Tally *tally);

/* The node in SLOT has LABELS (may be NULL: none, or no node). */
void tally_set_node(Tally *tally, unsigned slot, const json_t *labels);

/* LABELS of a namespace; NULL: it is gone. */
void tally_set_namespace(Tally *tally, const char *name, const json_t *labels);

/* The class of such pods, the term, the topology. New references. SELECTOR is a LabelSelector value (NULL selects
 * nothing); one that is not valid selects nothing. NAMESPACES may be empty. */
PodClass *tally_class(Tally *tally, const char *namespace_, const json_t *labels, bool ending);
Term *tally_term(Tally *tally, const json_t *namespaces, const json_t *namespace_selector, const json_t *selector,
                 const char *topology_key, bool skips_ending);
Term *tally_term_ref(Term *term);
/* The term that selects what all of PARTS (N of them, at least one) select; its topology is that of the first. */
Term *tally_conjunction(Tally *tally, Term *const *parts, unsigned n);
void tally_class_unref(Tally *tally, PodClass *pod_class);
void tally_term_unref(Tally *tally, Term *term);

/* True when TERM selects pods of CLASS. */
bool tally_selects(const Tally *tally, const Term *term, const PodClass *pod_class);

/* N pods more (or fewer) of CLASS in SLOT. */
void tally_count(Tally *tally, PodClass *pod_class, unsigned slot, int n);

/* A pod in SLOT carries TERM: SIGN is 1, or -1 when it goes. WEIGHT is 1 but for TERM_PREFERRED. */
void tally_carry(Tally *tally, Term *term, TermSort sort, int weight, unsigned slot, int sign);
