#pragma once
/*
 * Which nameservers get the questions that are not the cluster's own, as the ConfigMap kube-dns of kube-system says:
 * `stubDomains`, JSON {"acme.local": ["1.2.3.4", "1.2.3.5:5353"]}, and `upstreamNameservers`, JSON ["8.8.8.8"], which
 * replaces the machine's own. Source: Kubernetes "Customizing DNS Service", kube-dns.
 */
#include <glib.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define NAMESERVERS_MAX 3 /* as resolv.conf(5) and kube-dns */
#define STUB_DOMAINS_MAX 1000

typedef struct NameServers {
  struct sockaddr_in at[NAMESERVERS_MAX];
  unsigned count;
} NameServers;

typedef struct Forwarding Forwarding;

/* CONFIG_MAP may be NULL: nothing is said. What cannot be read is left out with a warning. */
Forwarding *forwarding_new(const json_t *config_map);
void forwarding_free(Forwarding *forwarding);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Forwarding, forwarding_free)

/* Whom to ask about NAME ("www.acme.local.", any case): those of the longest stub domain it is in, else the upstream
 * nameservers; NULL: the machine's. Borrowed. */
const NameServers *forwarding_find(const Forwarding *forwarding, const char *name);
