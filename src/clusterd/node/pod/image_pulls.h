#pragma once
/*
 * Getting the images of containers, by pull policy, without holding up the pod's worker: pulls run on their own threads
 * and wake the worker when they end. Source: Kubernetes "Images", pkg/kubelet/images (reasons, texts, back-off).
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clusterd/node/runtime.h"

typedef struct ImagePulls ImagePulls;

typedef enum ImageResult {
  IMAGE_READY,   /* *IMAGE is set */
  IMAGE_PULLING, /* WAKE is called when that changes */
  IMAGE_FAILED,  /* *REASON and *MESSAGE say why; asked again it tries again, with back-off */
} ImageResult;

typedef struct ImageRequest {
  const char *reference, *policy; /* "Always", "IfNotPresent", "Never" */
  const char *pod_uid;            /* a pod pulls an image at most once per container start */
  const char *container;
  unsigned attempt;
  const json_t *auth; /* what to show to the registry, one after the other until it is content: [{…}]; may be NULL */
  GFunc wake;         /* called as wake(wake_data, NULL) from another thread */
  void *wake_data;
} ImageRequest;

/* What the caller should tell in events, in order. */
typedef struct ImageNews {
  const char *type, *reason;
  char *message;
} ImageNews;
void image_news_free(ImageNews *news);

ImagePulls *image_pulls_new(Runtime *runtime);
/* Waits for pulls that run; the runtime's interrupt() ends them. */
void image_pulls_free(ImagePulls *pulls);

/* NEWS gets ImageNews* to record. *RETRY_US: wall clock of the next try after IMAGE_FAILED; 0: only when asked again.
 * REASON is static, MESSAGE the caller's. */
ImageResult image_pulls_ensure(ImagePulls *pulls, const ImageRequest *request, GPtrArray *news, ImageStatus **image,
                               const char **reason, char **message, int64_t *retry_us);

/* Forgets a pod's pulls; a running one goes on but wakes nobody. */
void image_pulls_forget(ImagePulls *pulls, const char *pod_uid);
