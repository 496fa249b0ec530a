#pragma once
/*
 * Who answers which names: what the ConfigMaps `coredns` (key Corefile) and `kube-dns` (keys stubDomains and
 * upstreamNameservers) of kube-system say, compiled. Not changed after it was made; counted by the DNS thread alone.
 * Source: CoreDNS's manual, and Kubernetes' "Customizing DNS Service".
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/dns/hosts.h"
#include "clusterd/dns/resolver.h"
#include "clusterd/dns/server_list.h"
#include "clusterd/dns/upstream.h"
#include "clusterd/dns/zone_set.h"

#define BLOCKS_MAX 1000
#define CACHE_SECONDS_MAX 3600        /* CoreDNS's, of a `cache` without a number */
#define CACHE_DENIAL_SECONDS_MAX 1800 /* the same */
#define CLUSTER_TTL_DEFAULT 5
#define CLUSTER_TTL_MAX 3600

/* As a new cluster has it. */
extern const char plan_default_corefile[];

typedef struct ForwardRule {
  ZoneSet zones, except;
  ServerList *servers; /* NULL: the machine's */
  UpstreamOptions options;
} ForwardRule;

/* A server block. Its parts are asked in this order. */
typedef struct Block {
  unsigned cache_seconds, denial_seconds; /* 0: not kept */
  GPtrArray *rewrites, *templates;        /* Rewrite*, Template* */
  Hosts *hosts;                           /* NULL: none */
  bool has_cluster;
  ClusterZone cluster;
  ZoneSet cluster_zones, cluster_fall_through;
  GPtrArray *forwards; /* ForwardRule* */
  bool log, loop;      /* questions are logged; loops are looked for */
} Block;

typedef struct Plan Plan;

/* COREFILE NULL: the default. KUBE_DNS is the ConfigMap or NULL; what cannot be read of it is left out with a warning.
 * DOMAIN and ADDRESS (borrowed) are the cluster's. NULL with REASON_CONFIG and the line ("Corefile:7: ..."). */
Plan *plan_new(const char *corefile, const json_t *kube_dns, const char *domain, const char *address, GError **error);
Plan *plan_ref(Plan *plan);
void plan_unref(Plan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_unref)

/* The block of the longest zone NAME is in; NULL: none. Borrowed. */
const Block *plan_find(const Plan *plan, const uint8_t *name, size_t length);

/* Whether some block logs questions. */
bool plan_logs(const Plan *plan);

/* Whom BLOCK asks about NAME; NULL: nobody. Borrowed. */
const ForwardRule *block_forward(const Block *block, const uint8_t *name, size_t length);
