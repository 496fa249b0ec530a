#pragma once
/*
 * Where images come from: which servers answer for a registry's name, and how they are reached and trusted.
 * Source: dockerd's registry-mirrors, insecure-registries and certs.d; Go's net/http for proxies.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct RegistryConfig {
  /* "URL": a copy of docker.io; "HOST=URL": one of HOST. Asked first, in their order. May be NULL. */
  const char *const *mirrors;
  /* "HOST", "HOST:PORT" or a range of addresses: no certificate is asked for, and plain HTTP will do. May be NULL. The
   * machine itself always is one. */
  const char *const *insecure;
  const char *certs_dir; /* "HOST[:PORT]/NAME.crt", ".cert" with ".key"; NULL: /etc/docker/certs.d */
  const char *ca_file;   /* more who may sign certificates (PEM), besides the system's; may be NULL */
} RegistryConfig;

typedef struct Registries Registries;

/* Copies CONFIG, which may be NULL, and what the environment says of proxies (HTTP_PROXY, HTTPS_PROXY, NO_PROXY, also
 * in lower case). */
Registries *registries_new(const RegistryConfig *config);
void registries_free(Registries *registries);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Registries, registries_free)

/* Every pull that runs, and each that begins later, ends soon. From any thread. */
void registries_stop(Registries *registries);
bool registries_stopped(Registries *registries);

/* Waits for SECONDS. False at once when stopped. */
bool registries_wait(Registries *registries, double seconds);

/* One server to ask for an image. */
typedef struct RegistryServer {
  char *url;     /* "https://HOST[:PORT]", or with a path: a mirror's */
  char *host;    /* "HOST[:PORT]" of it */
  bool origin;   /* the registry itself: it alone is shown credentials */
  bool insecure; /* its certificate is not looked at */
} RegistryServer;
void registry_server_free(RegistryServer *server);

/* RegistryServer* to ask for the images of REGISTRY ("docker.io", "HOST:5000"), in this order. */
GPtrArray *registries_servers(const Registries *registries, const char *registry);

/* What to trust and show when talking to HOST. */
typedef struct RegistryTrust {
  GBytes *authorities;   /* PEM, the system's included; NULL: the system's alone */
  char *certificate;     /* path, or NULL */
  char *key;             /* path, or NULL */
  const char *proxy;     /* of URLs that begin with "http:"; "" for none */
  const char *tls_proxy; /* of "https:" */
  const char *no_proxy;  /* names that are reached without one */
} RegistryTrust;

/* *TRUST borrows the proxies from REGISTRIES; registry_trust_clear() lets go of the rest. */
void registries_trust(const Registries *registries, const char *host, RegistryTrust *trust);
void registry_trust_clear(RegistryTrust *trust);
