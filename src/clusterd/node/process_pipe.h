#pragma once
/*
 * The pipes between a NodeProcess and the threads that carry its bytes to and from a container runtime's connection.
 * Any thread may call these for descriptors of its own.
 */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* A pipe, closed on exec. False with REASON_RUNTIME, then neither is set. */
bool process_pipe_open(int *read_end, int *write_end, GError **error);

/* Waits until FD can be read. False when STOP, an eventfd, says that it is over. */
bool process_pipe_wait(int fd, int stop);

/* Writes all of DATA to FD. False when nobody reads any more (every program of ours ignores SIGPIPE). */
bool process_pipe_write(int fd, const void *data, size_t length);
