#pragma once
/* The ssh client's command line for a profile's machine. */
#include <glib.h>

#include "profile/profile.h"

/* ssh with the profile's key and known host, up to and including user@address; more arguments may be appended. Strings
 * are owned by the array. */
GPtrArray *ssh_command(const Home *home, const Profile *profile, const char *user);
