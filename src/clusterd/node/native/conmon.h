#pragma once
/*
 * conmon, the small program that stands between a container and its runtime: it starts crun, holds the container's
 * streams, writes its log in the CRI's format and its exit status to a file. It outlives clusterd.
 */
#include "clusterd/node/native/native_runtime.h"

/* "RUN/exits": conmon writes a file named like the container there when it ends. The caller frees. */
char *conmon_exit_dir(const NativeRuntime *native);

typedef struct ConmonStart {
  const char *id, *bundle, *log_path;
  bool tty, stdin_, stdin_once;
} ConmonStart;

/* Has the container made ("crun create"), its process not yet running. Its pid; -1 with REASON_RUNTIME and crun's
 * message. */
int conmon_create(const NativeRuntime *native, const ConmonStart *start, GError **error);

/* A pidfd of the bundle's conmon: readable when it has ended. -1 when it does not run. */
int conmon_open(const char *bundle, const char *container_id);

/* Has conmon write its log to a new file of the same name. REASON_RUNTIME. */
bool conmon_reopen_log(const char *bundle, GError **error);

/* Tells conmon the size of the container's terminal. */
void conmon_resize(const char *bundle, unsigned width, unsigned height);

/* A socket connected to the container's streams (SOCK_SEQPACKET; each packet to us starts with 2 for stdout or 3 for
 * stderr). -1 with REASON_RUNTIME. */
int conmon_attach(const char *bundle, GError **error);
