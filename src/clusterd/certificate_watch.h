#pragma once
/* Serves with new certificates without a restart: files that somebody replaces are read again, and what clusterd made
 * itself it makes anew a month before its end. The connections there are stay as they are.
 * Source: kube-apiserver's dynamic serving certificates. */
#include "clusterd/cluster_config.h"
#include "clusterd/server/server.h"

typedef struct CertificateWatch CertificateWatch;

/* All must outlive the watch. ADVERTISE_ADDRESS: as certificates_make. NULL with an error. */
CertificateWatch *certificate_watch_start(const ClusterConfig *config, const char *advertise_address, ApiServer *server,
                                          GError **error);
void certificate_watch_stop(CertificateWatch *watch);
