#pragma once
/* What the tests of container runtimes share: one runtime, real containers, inside sandbox.sh. */
#include <glib.h>
#include <stdbool.h>

#include "clusterd/node/runtime.h"

#define IMAGE "busybox:1.36"
#define LOG_DIR "/var/log/pods/default_pod_uid"
#define DATA_DIR "/var/lib/launcher"
#define LOG_SIZE 10000 /* bytes from which on a log is rotated */

extern Runtime *runtime;
extern int events; /* atomic: how many have come */

/* Chooses the runtime called NAME and starts what it needs. False when it cannot be here, with the reason on stdout. */
bool fixture_begin(const char *name);
void fixture_end(void);
/* Whether the runtime is called NAME. */
bool fixture_is(const char *name);

/* Opens the runtime; after freeing it: as after a restart of clusterd. */
void open_runtime(void);
void load_image(const char *path);

/* Its id; CHANGES (may be NULL) says what is not as usual. */
char *run_sandbox(const SandboxSpec *changes);
void remove_sandbox(char *id);
/* Starts `sh -c SCRIPT`; its id. */
char *run_script(const char *sandbox_id, const char *script, const ContainerSpec *changes);
ContainerStatus *wait_exited(const char *id);

char *read_all(int fd);
/* The output of SCRIPT in a container that runs; its exit status to *STATUS. */
char *exec_script(const char *id, const char *script, int *status);
void assert_exec(const char *id, const char *script, const char *wanted);

/* Loads the archive with the image preloaded:1 into the store in FOLDER. */
void fixture_load(const char *folder);

/* Kills dockerd, and waits until it is gone. */
void fixture_kill_daemon(void);

/* Kills containerd as a crash would; starts it again. */
void fixture_kill_containerd(void);
void fixture_start_containerd(void);
