#pragma once
/* The keeper: one small process per running profile that opens the ports of its services (NodePort, LoadBalancer) on
 * the profile's address while they exist. Its lock file tells whether it runs. */
#include <glib.h>
#include <stdbool.h>

#include "driver/driver.h"
#include "profile/profile.h"

/* Starts the keeper of the profile in the background, unless it runs. PROGRAM_PATH is run as
 * `PROGRAM keeper -p NAME`. */
bool keeper_spawn(const Home *home, const Profile *profile, const char *program_path, GError **error);

/* Ends it, if it runs. */
void keeper_stop(const Home *home, const char *profile);

/* What it does: DRIVER opens for SPEC what the services of the profile's API server ask for. All outlive it. One
 * thread.
 */
typedef struct PortWatch PortWatch;
PortWatch *port_watch_new(const Home *home, const Profile *profile, const Driver *driver, const MachineSpec *spec);
void port_watch_free(PortWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PortWatch, port_watch_free)

/* Follows the services until the server ends that; what is open stays so. False with *ERROR when nobody answers. */
bool port_watch_follow(PortWatch *watch, GError **error);

/* The keeper itself: returns when the machine has stopped. */
bool keeper_run(const Home *home, const Profile *profile, GError **error);
