#pragma once
/* Domain names in wire form: labels with a length in front, a zero at the end; lower-case where not said otherwise.
 * Source: RFC 1035 section 3.1, RFC 4343 (case). */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_WIRE_MAX 255
#define NAME_LABELS_MAX 127

/* The name of TEXT ("cluster.local", with or without a dot at its end; "." is the root) into WIRE. Its length; 0 when
 * it is no name. */
size_t name_from_text(const char *text, uint8_t wire[NAME_WIRE_MAX]);

/* With a dot at its end, odd bytes escaped. The caller frees. */
char *name_to_text(const uint8_t *wire, size_t length);

/* Whether NAME is ZONE or below it. */
bool name_in_zone(const uint8_t *name, size_t length, const uint8_t *zone, size_t zone_length);

/* The labels of NAME from left to right, NULL-terminated; NULL when one holds a byte outside [a-z0-9_-]. The caller
 * frees with g_strfreev. */
char **name_labels(const uint8_t *name, size_t length);

/* "cluster.local" or "cluster.local." into lower-case labels. The caller frees with g_strfreev. */
char **name_split(const char *text);

/* How many labels of NAME stand before ZONE; -1 when NAME is not in ZONE. 0: it is the zone itself. */
int name_before_zone(char *const *name, char *const *zone);

/* The address of a complete reverse name of IPv4 ("5.0.244.10.in-addr.arpa") or IPv6 (32 digits before ip6.arpa), as
 * inet_ntop writes it; NULL when NAME is none. The caller frees. */
char *name_reverse_ip(char *const *name);
