#pragma once
/* Base64 with the URL alphabet and without padding (RFC 4648 section 5): JWT, continue tokens. */
#include <glib.h>

/* The caller frees. */
char *base64url_encode(const void *data, gsize length);

/* The bytes of TEXT, or NULL when it is not base64url. */
GBytes *base64url_decode(const char *text);
