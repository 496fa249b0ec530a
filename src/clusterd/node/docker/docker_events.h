#pragma once
/* Follows dockerd's events on a thread of its own, so that nothing has to be asked for over and over. When dockerd goes
 * away it is waited for, and everything is looked at again once it is back. */
#include "clusterd/node/docker/docker_runtime.h"

/* Begins with what happens from SINCE_US (wall clock) on. */
DockerEvents *docker_events_start(DockerRuntime *docker, int64_t since_us);
void docker_events_stop(DockerEvents *events);

/* The number of events so far; waits until there are more than SEEN, at most until UNTIL_US (monotonic; 0: for ever;
 * false then). Looking at what an event tells of after the first call, and waiting then, misses none. */
uint64_t docker_events_seen(DockerRuntime *docker);
bool docker_events_wait(DockerRuntime *docker, uint64_t seen, int64_t until_us);

/* Wakes all who wait, as an event does. */
void docker_events_wake(DockerRuntime *docker);
