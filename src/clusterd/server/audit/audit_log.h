#pragma once
/* The audit log: lines queued by whoever answers requests and written by one thread, to a file that is rotated by size.
 * A request never waits for the disk: when the queue is full, events are dropped and counted. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct AuditLog AuditLog;

typedef struct AuditLogConfig {
  const char *path;    /* "-": standard output, which is not rotated */
  int64_t max_size;    /* MiB a file may have; 0: any */
  int64_t max_backups; /* files kept besides the current one; 0: all */
} AuditLogConfig;

#define AUDIT_QUEUE_EVENTS_MAX 10000
#define AUDIT_QUEUE_BYTES_MAX (32u << 20)

/* NULL with REASON_FILE. */
AuditLog *audit_log_open(const AuditLogConfig *config, GError **error);

/* Queues one event, JSON without a line end; takes the reference. Thread-safe, never blocks. */
void audit_log_write(AuditLog *log, GBytes *event);

/* Events queued so far, and those that were lost. */
void audit_log_count(AuditLog *log, uint64_t *written, uint64_t *lost);

/* Writes what is queued and ends the thread. */
void audit_log_close(AuditLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AuditLog, audit_log_close)
