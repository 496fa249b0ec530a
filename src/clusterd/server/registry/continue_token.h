#pragma once
/* The `continue` token of a paged list: unpadded base64url of {"v":"meta.k8s.io/v1","rv":N,"start":"KEY\0"}.
 * Source: k8s.io/apiserver/pkg/storage/continue.go. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define CONTINUE_TOKEN_MAX 4096

/* The token of a list at REVISION (-1: whatever is newest) that goes on behind KEY. The caller frees. */
char *continue_token_new(int64_t revision, const char *key);

/* REVISION and KEY (the caller frees) of TOKEN. False with REASON_BAD_REQUEST. */
bool continue_token_parse(const char *token, int64_t *revision, char **key, GError **error);
