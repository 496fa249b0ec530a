#pragma once
/* Datagrams taken and answered many at a time: two system calls for all of them. */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_MAX 64 /* datagrams taken per wake-up, so that TCP gets its turn */

typedef struct Batch Batch;

Batch *batch_new(void);
void batch_free(Batch *batch);

/* Writes the answer to MESSAGE into OUT, of UDP_SIZE_MAX bytes: its length; 0: none, now. */
typedef size_t (*BatchHandler)(const uint8_t *message, size_t length, const struct sockaddr_in *from, uint8_t *out,
                               void *data);

/* Takes what FD has to read, BATCH_MAX at most, and sends what HANDLER writes. */
void batch_run(Batch *batch, int fd, BatchHandler handler, void *data);
