#pragma once
/* Files from elsewhere, by libcurl: http, https and file URLs, through the usual proxy variables. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "bootstrap/progress.h"

/* Fetches URL into the file PATH, which may hold the beginning of it from an earlier try: the rest is asked for, and
 * all of it when the server does not serve ranges. At most MAX bytes. PROGRESS may be NULL. REASON_DOWNLOAD,
 * REASON_DOWNLOAD_NOT_FOUND, REASON_DOWNLOAD_TIMEOUT, REASON_INSUFFICIENT_STORAGE. */
bool download_file(const char *url, const char *path, int64_t max, Progress *progress, GError **error);

/* Fetches a small file whole. NULL with an error as above. */
GBytes *download_bytes(const char *url, gsize max, GError **error);
