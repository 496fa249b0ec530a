#pragma once
/* Bodies in gzip for clients that take it. */
#include <glib.h>

/* From this size on a reply is worth compressing: upstream's threshold. */
#define GZIP_BYTES_MIN (128u << 10)

/* BYTES in gzip, quickly rather than small; new reference. NULL when it cannot be done. */
GBytes *gzip_compress(GBytes *bytes);
