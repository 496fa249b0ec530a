#pragma once
/* Requests to one registry about one repository, with the authorization it asks for. Internal to registry*.c. */
#include <curl/curl.h>
#include <jansson.h>

#include "clusterd/node/images/registries.h"

typedef struct RegistryHttp {
  Registries *registries;
  CURL *curl;                  /* of requests that bring none of their own */
  char *base, *repository;     /* "https://host/v2/library/busybox", "library/busybox" */
  char *login, *refresh_token; /* "user:password"; an identity token; or NULL */
  bool insecure;
  RegistryTrust trust;
  gint stopped; /* atomic: set by who wants all of it to end */
  gint replied; /* atomic: the server has answered something */
  GMutex lock;  /* guards what follows, also while a token is fetched */
  char *token;  /* bearer, or NULL */
  bool basic;   /* LOGIN is asked for as it is */
} RegistryHttp;

/* Takes LENGTH bytes that lie at AT of what was asked for; false with an error ends the request. */
typedef bool (*RegistryTake)(void *user, const void *data, size_t length, int64_t at, GError **error);

typedef struct RegistryRequest {
  const char *path;   /* below the base, or a whole URL */
  const char *accept; /* or NULL */
  int64_t from;       /* the first byte that is wanted; the server may begin before it */
  RegistryTake take;
  void *user;
  CURL *curl; /* of a thread of its own; NULL: that of the RegistryHttp */
} RegistryRequest;

/* For REPOSITORY ("library/busybox") at SERVER. AUTH, which only the registry itself is shown: {"username",
 * "password"}, {"auth": base64 of "user:password"}, {"identitytoken"} or {"registrytoken"}; may be NULL. Borrows
 * REGISTRIES. */
bool registry_http_open(RegistryHttp *http, Registries *registries, const RegistryServer *server,
                        const char *repository, const json_t *auth, GError **error);
void registry_http_clear(RegistryHttp *http);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RegistryHttp, registry_http_clear)

/* A GET. Waits where the server says that there are too many requests. REASON_DOWNLOAD_NOT_FOUND (404),
 * REASON_UNAUTHORIZED (401, 403), REASON_TOO_MANY_REQUESTS, REASON_DOWNLOAD for another refusal or an end in the
 * middle, REASON_INTERRUPTED when stopped, or the error of TAKE. Texts as containerd's. From any thread, with a CURL of
 * its own. */
bool registry_http_request(RegistryHttp *http, const RegistryRequest *request, GError **error);

/* The body of base + PATH (at most MAX bytes), with ACCEPT when not NULL. NULL with an error. */
GBytes *registry_http_get(RegistryHttp *http, const char *path, const char *accept, size_t max, GError **error);
