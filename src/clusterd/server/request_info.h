#pragma once
/* What a URL is about, before anybody knows whether it exists. Source: k8s.io/apiserver/pkg/endpoints/request. */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/server/query.h"

#define REQUEST_PARTS_MAX 64

typedef struct RequestInfo {
  bool is_resource; /* below /api/VERSION or /apis/GROUP/VERSION with a resource */
  const char *verb; /* "get", "list", "watch", "create", …; of anything else the method in lower case */
  char *group;      /* "" for core */
  char *version;
  char *namespace_;  /* NULL: none */
  char *resource;    /* plural */
  char *name;        /* NULL: the collection */
  char *subresource; /* NULL: none */
  char *subpath;     /* what follows the subresource (proxy), without the leading slash; NULL: nothing */
} RequestInfo;

/* METHOD and PATH (percent-encoded). NULL with REASON_BAD_REQUEST when the path cannot be decoded. */
RequestInfo *request_info_parse(const char *method, const char *path, const Query *query, GError **error);
void request_info_free(RequestInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RequestInfo, request_info_free)
