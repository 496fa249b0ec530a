#pragma once
/* fsGroup on what a volume holds already. Source: pkg/volume/volume_linux.go (SetVolumeOwnership). */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* Gives everything below PATH, itself included, to GROUP: files are made readable and writable for it, folders keep it
 * for what is made in them. Links are not followed, nor are other file systems entered. ON_MISMATCH: only when PATH
 * itself is not like that yet. REASON_FILE. */
bool volume_owner_set(const char *path, gid_t group, bool on_mismatch, GError **error);
