#pragma once
/*
 * Where the service `kubernetes` leads: to all servers of the cluster that are alive. Where several share the store
 * each keeps a record below /registry/masterleases/ (upstream's name) and renews it; the records of those that have
 * stopped renewing theirs are taken away by the others. Where one has the store to itself it is that one, written down
 * once.
 */
#include "clusterd/server/registry/registry.h"

typedef struct ServerPeers ServerPeers;

/* Makes this server, at ADDRESS and PORT, one of those that `kubernetes` leads to. */
ServerPeers *server_peers_start(Registry *registry, const char *address, uint16_t port, GError **error);

/* Takes it out again, as long as others are left. */
void server_peers_stop(ServerPeers *peers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServerPeers, server_peers_stop)
