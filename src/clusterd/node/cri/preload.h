#pragma once
/* Images for containerd out of our own store, where `clusterd image load` puts them, and out of the machine's read-only
 * one: they are put into containerd's when they are asked for. Internal to node/cri. */
#include "clusterd/node/cri/cri_runtime.h"

/* Moves the image REFERENCE (in full, or an id) names from our own store to containerd, with all its names. False: it
 * is not there. */
bool cri_take_loaded(CriRuntime *cri, const char *reference);

/* Copies it from the machine's store. False: it is not there. */
bool cri_preload(CriRuntime *cri, const char *reference);
