#pragma once
/* Cluster DNS as a component: the address, the server behind it, the Service kube-system/kube-dns that shows it, and
 * the ConfigMap kube-system/coredns that says what it does. */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/client/informer.h"

typedef struct Dns Dns;

typedef struct DnsConfig {
  const char *address; /* cluster IP of DNS, "10.96.0.10" */
  const char *domain;  /* "cluster.local" */
} DnsConfig;

/* Registers with the informers: call before informer_set_start. CONFIG is copied; CLIENT and INFORMERS must outlive it.
 */
Dns *dns_new(Client *client, InformerSet *informers, const DnsConfig *config);

/* Answers from now on. Call after informer_set_start and when namespace kube-system is there. REASON_LOCAL_NETWORK, or
 * the API's error when the Service cannot be made. */
bool dns_start(Dns *dns, GError **error);
void dns_free(Dns *dns);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Dns, dns_free)
