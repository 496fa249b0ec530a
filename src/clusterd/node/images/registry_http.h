#pragma once
/* One registry's HTTP: requests with the token it asks for. Internal to registry.c. */
#include <curl/curl.h>
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct RegistryHttp {
  CURL *curl;
  char *base;        /* "https://registry-1.docker.io/v2/library/busybox" */
  char *login;       /* "user:password" or NULL */
  char *token;       /* bearer token, or NULL */
  gint *interrupted; /* once it is set (atomic), requests end with REASON_INTERRUPTED; NULL: never */
} RegistryHttp;

/* NAME is a normalised reference's ("docker.io/library/busybox"). Plain HTTP only to the machine itself. */
bool registry_http_open(RegistryHttp *http, const char *name, const json_t *auth, GError **error);
void registry_http_clear(RegistryHttp *http);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RegistryHttp, registry_http_clear)

/* The body of base + PATH (at most MAX bytes), with ACCEPT when not NULL. NULL with an error. */
GBytes *registry_http_get(RegistryHttp *http, const char *path, const char *accept, size_t max, GError **error);

/* Writes the body of base + PATH to FD and its sha256 digest's text ("sha256:…") to DIGEST; at most MAX bytes. */
bool registry_http_save(RegistryHttp *http, const char *path, int fd, int64_t max, char digest[72], GError **error);
