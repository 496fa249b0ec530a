#pragma once
/* A server block from the lines of a Corefile. */
#include "clusterd/dns/plan.h"

/* LINE's first words are zones.. NULL with REASON_CONFIG. */
Block *block_new(const CorefileLine *line, const char *address, GError **error);
/* One that asks SERVERS (referenced) about everything, and keeps what they say. */
Block *block_new_stub(ServerList *servers);
/* Asks SERVERS instead of the machine's nameservers. */
void block_replace_machine_servers(Block *block, ServerList *servers);
void block_free(Block *block);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Block, block_free)
