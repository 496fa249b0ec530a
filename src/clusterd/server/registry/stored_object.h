#pragma once
/* Objects as they come from the store. */
#include "clusterd/api/object.h"
#include "clusterd/api/scheme.h"

/* An object from BYTES of the store, written at REVISION, with the defaults of today: an earlier version of this
 * program, or another server, may have known fewer of them. A custom resource is in the version the bytes were written
 * in, as that is defined now. New reference; NULL with REASON_INTERNAL when they are no object. */
Object *stored_object_load(const ApiScheme *scheme, const ApiKind *kind, GBytes *bytes, int64_t revision,
                           GError **error);
