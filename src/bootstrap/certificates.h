#pragma once
/*
 * The keys of one cluster, in PROFILE/pki: its own certificate authority (client certificates of one profile open no
 * other), leaf certificates that are made again when they are near their end, do not cover the profile's names or are
 * damaged, the service account key, docker's own authority and pairs, and the SSH keys.
 */
#include <glib.h>
#include <stdbool.h>

#include "bootstrap/progress.h"
#include "profile/profile.h"

/* Leafs with less than this left are renewed. */
#define CERTIFICATE_RENEW_SECONDS (30 * 86400)

/* Makes what is missing or no longer good. PROFILE has its address. Writes, in PROFILE/pki: ca, apiserver, client,
 * docker-ca, docker-server (.crt .key), sa.key; in PROFILE/docker (DOCKER_CERT_PATH): ca.pem, cert.pem, key.pem; in
 * PROFILE/ssh: id_ed25519(.pub), host_ed25519(.pub), known_hosts. The
 * service account key and authorities are never replaced.
 * *RENEWED (may be NULL) tells whether a certificate that a running machine holds was replaced. */
bool certificates_ensure(const Home *home, const Profile *profile, bool *renewed, GError **error);
