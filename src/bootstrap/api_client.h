#pragma once
/* The launcher's own requests to a profile's API server: libcurl with the profile's client certificate. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "profile/profile.h"

typedef struct ApiClient ApiClient;

/* One client serves one thread. */
ApiClient *api_client_new(const Home *home, const Profile *profile);
void api_client_free(ApiClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ApiClient, api_client_free)

/* True when GET /readyz answers 200 within TIMEOUT_MS. */
bool api_client_is_ready(ApiClient *client, int timeout_ms);

/* GET PATH as JSON. New reference; NULL with REASON_APISERVER_NOT_RUNNING when nobody answers, else the Status' reason.
 */
json_t *api_client_get(ApiClient *client, const char *path, GError **error);

/* Creates VALUE (borrowed) at PATH, a collection. Errors as api_client_get. */
bool api_client_post(ApiClient *client, const char *path, const json_t *value, GError **error);

/* Called whenever all events that have come are handled, and at the latest when the time is over that it returned last:
 * milliseconds, -1: no such time. */
typedef int (*ApiWatchIdle)(void *data);

/* Watches PATH (with its query): calls HANDLER for every event until it returns false or the server ends the watch,
 * and IDLE (may be NULL) between. True when the watch ended in order. */
typedef bool (*ApiWatchHandler)(const char *type, json_t *object, void *data);
bool api_client_watch(ApiClient *client, const char *path, ApiWatchHandler handler, ApiWatchIdle idle, void *data,
                      GError **error);
