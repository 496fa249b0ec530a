#pragma once
/*
 * The process that keeps a container machine: it lives as long as the machine, has its mounts in a namespace of its
 * own, and serves its ports. A launcher command starts it as itself with a hidden verb, and asks and ends it through
 * driver/container_control.h.
 *
 * SIGTERM: shuts the machine down in order (SIGTERM to its init) and ends with it. SIGINT: cuts the power.
 */
#include <glib.h>
#include <stdbool.h>

#define CONTAINER_HOLDER_VERB "machine-holder"
#define CONTAINER_HOLDER_LOG "holder.log"

/* The hidden verb: argv[1] is the machine's folder, descriptor 3 a pipe that takes the start's outcome. Returns the
 * exit code. To be called first thing in main(), before there are threads. */
int container_holder_main(int argc, char **argv);

/* Starts a holder for DIRECTORY and waits until its machine runs. An error is the holder's own. */
bool container_holder_start(const char *directory, GError **error);
