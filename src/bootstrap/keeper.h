#pragma once
/* The keeper: one small process per running profile that opens the ports of its services (NodePort, LoadBalancer) on
 * the profile's address while they exist. Its lock file tells whether it runs. */
#include <glib.h>
#include <stdbool.h>

#include "profile/profile.h"

/* Starts the keeper of the profile in the background, unless it runs. PROGRAM_PATH is run as
 * `PROGRAM keeper -p NAME`. */
bool keeper_spawn(const Home *home, const Profile *profile, const char *program_path, GError **error);

/* Ends it, if it runs. */
void keeper_stop(const Home *home, const char *profile);

/* The keeper itself: returns when the machine has stopped. */
bool keeper_run(const Home *home, const Profile *profile, GError **error);
