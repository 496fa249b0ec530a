#pragma once
/* Answers written in a Corefile (plugin template): a response code, records, for names that match. */
#include <ldns/packet.h>

#include "clusterd/dns/corefile.h"
#include "clusterd/dns/zone_set.h"

typedef struct Template Template;

/* `template CLASS TYPE [ZONE...] { match REGEX, answer RR, authority RR, rcode CODE, fallthrough [ZONE...] }`; in
 * records {{ .Name }} is the name asked for. NULL with REASON_CONFIG. */
Template *template_new(const CorefileLine *line, GError **error);
void template_free(Template *template_);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Template, template_free)

/* The answer as a packet the caller frees; NULL: the name is left to the next plugin. */
ldns_pkt *template_answer(const Template *template_, const uint8_t *name, size_t length, uint16_t type);
