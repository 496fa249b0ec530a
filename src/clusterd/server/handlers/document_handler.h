#pragma once
/* The handlers of what is no resource, by file. PARTS are the path's segments. Internal to the server. */
#include "clusterd/server/api_request.h"

/* health_handler.c; the other two call ADD (which takes PATH) for every path there is, and append the checks as
 * metrics. */
void handle_health(ApiRequest *request, char *const *parts);
void health_add_paths(void (*add)(void *data, char *path), void *data);
void health_append_metrics(ApiRequest *request, GString *text);

/* metrics_handler.c */
void handle_metrics(ApiRequest *request, char *const *parts);
