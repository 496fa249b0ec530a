#pragma once
/* The image of the sandboxes' own processes: our pause program alone, put into containerd's store, so that no registry
 * is needed. Internal to node/cri. */
#include "clusterd/node/cri/cri_runtime.h"

/* What containerd's configuration must name as its sandbox_image. */
#define CRI_PAUSE_IMAGE "launcher.local/pause:1"

/* Puts the image there, made of PROGRAM (a path), unless the same is there already. REASON_RUNTIME, REASON_FILE. */
bool cri_pause_image(CriRuntime *cri, const char *program, GError **error);
