#pragma once
/* Descriptors of a session: all non-blocking, served by one poll loop. */
#include <glib.h>
#include <stdbool.h>

/* Makes FD non-blocking. */
void stream_io_prepare(int fd);

typedef enum StreamIo { STREAM_IO_SOME, STREAM_IO_WAIT, STREAM_IO_END } StreamIo;

/* Reads once into BUFFER. SOME: *LENGTH bytes; WAIT: nothing yet; END: the peer is done, or an error. */
StreamIo stream_io_read(int fd, void *buffer, gsize size, gsize *length);

/* Writes what FD takes of PENDING and removes it there. END on an error. */
StreamIo stream_io_flush(int fd, GByteArray *pending);

/* Writes all that is PENDING, tells the peer that it was all, waits a moment for it to leave, and closes FD: what is on
 * its way is not lost to a reset. */
void stream_io_finish(int fd, GByteArray *pending);
