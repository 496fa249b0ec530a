#pragma once
/* The config drive: what the machine is told, as an ISO 9660 image (docs/internals/guest.md). */
#include <glib.h>
#include <stdbool.h>

#include "profile/profile.h"

/* Writes PATH (0600) from the profile and its pki and ssh folders, in one rename. */
bool config_drive_write(const Home *home, const Profile *profile, const char *path, GError **error);
