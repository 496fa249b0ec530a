#pragma once
/* The keys and certificates of a server that runs by itself, and its administrator's kubeconfig. In a machine the
 * launcher brings them (src/bootstrap/certificates.c). */
#include "clusterd/cluster_config.h"

/* Makes what is absent in CONFIG's pki_dir and not named by an option: ca.{crt,key}, apiserver.{crt,key},
 * admin.{crt,key}, sa.key. A leaf that ADVERTISE_ADDRESS or the service range has outgrown, or that ends within a
 * month, is made anew. Nothing of it when CONFIG came from a cluster.json. REASON_FILE or REASON_CONFIG. */
bool certificates_make(const ClusterConfig *config, const char *advertise_address, GError **error);

/* How many seconds until certificates_make would make a certificate anew because its end is near; 0: now; -1: never,
 * none is its own. */
int64_t certificates_renewal_seconds(const ClusterConfig *config);

/* Writes admin.conf in pki_dir and config->write_kubeconfig; the server listens on PORT. Nothing when there is no
 * administrator's certificate and no file was asked for. */
bool certificates_write_kubeconfig(const ClusterConfig *config, uint16_t port, GError **error);

/* The file (PEM) with the certificates that pods and clients trust the server by. The caller frees. */
char *certificates_root_ca(const ClusterConfig *config);
