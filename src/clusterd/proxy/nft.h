#pragma once
/* Runs nft(8). */
#include <glib.h>
#include <stdbool.h>

/* Applies TEXT as one transaction (`nft -f -`). False with REASON_LOCAL_NETWORK and what nft said; then nothing
 * changed. */
bool nft_apply(const char *text, GError **error);
