#pragma once
/* Domain names as lists of lower-case labels. Source: RFC 1035 section 3.1, RFC 4343 (case). */
#include <glib.h>
#include <ldns/rdata.h>
#include <stdbool.h>

#define NAME_LABELS_MAX 127

/* The labels of NAME from left to right, lower-case, NULL-terminated; NULL when a label holds a byte outside
 * [a-z0-9_-.] or the name has too many. The caller frees with g_strfreev. */
char **name_labels(const ldns_rdf *name);

/* "cluster.local" or "cluster.local." into labels. The caller frees with g_strfreev. */
char **name_split(const char *text);

/* How many labels of NAME stand before ZONE; -1 when NAME is not in ZONE. 0: it is the zone itself. */
int name_before_zone(char *const *name, char *const *zone);

/* "5.0.244.10.in-addr.arpa" → "10.244.0.5"; NULL when NAME is no complete IPv4 reverse name. The caller frees. */
char *name_reverse_ip(char *const *name);
