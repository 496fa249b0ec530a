#pragma once
/*
 * Keeps containers' logs bounded: one that has grown too large gets another name, what writes it is asked to begin
 * anew, and the oldest of the kept ones go. A log that nobody writes costs nothing; one that is written is looked at
 * once in an interval. Source: Kubernetes "Logging Architecture", pkg/kubelet/logs/container_log_manager.go.
 * Thread-safe.
 */
#include "clusterd/node/runtime.h"

#define LOG_SIZE_MAX (10 * 1024 * 1024) /* KubeletConfiguration's containerLogMaxSize, containerLogMaxFiles */
#define LOG_FILES_MAX 5
#define LOG_INTERVAL_US (10 * G_USEC_PER_SEC) /* containerLogMonitorInterval */

typedef struct LogLimits {
  int64_t size; /* bytes from which on a log is rotated */
  guint files;  /* of one log, the one that is written among them; at least 2 */
  int64_t interval_us;
} LogLimits;

typedef struct LogRotation LogRotation;

/* RUNTIME must outlive it. */
LogRotation *log_rotation_new(Runtime *runtime, const LogLimits *limits);
void log_rotation_free(LogRotation *rotation);

/* Begins to look after the log at PATH, which the runtime writes for CONTAINER_ID; again is fine. */
void log_rotation_watch(LogRotation *rotation, const char *container_id, const char *path);

/* The container has ended, or was removed. */
void log_rotation_forget(LogRotation *rotation, const char *container_id);
