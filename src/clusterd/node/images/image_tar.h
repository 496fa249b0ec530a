#pragma once
/* The files of an image of our store as one tar, all layers put together, for those who keep images in another way. */
#include "clusterd/node/images/image_store.h"

typedef struct ImageTar ImageTar;

/* Begins to make the tar; IMAGE must stay. Needs root. NULL with REASON_RUNTIME. */
ImageTar *image_tar_open(const Image *image, GError **error);

/* Where it can be read; the tar's own. */
int image_tar_fd(const ImageTar *tar);

/* Ends it. False with REASON_RUNTIME when not all could be read of the image; then what was read is no tar. */
bool image_tar_close(ImageTar *tar, GError **error);
