#pragma once
/* A container runtime in memory: what was asked for can be looked at, and containers end when the test says so. */
#include "clusterd/node/runtime.h"

Runtime *fake_runtime_new(void);

/* Makes REFERENCE an image that is here; or one that a pull gets. */
void fake_runtime_add_image(Runtime *runtime, const char *reference, bool local);

/* How often an image was asked of a registry. */
unsigned fake_runtime_pulls(Runtime *runtime);

/* Makes REFERENCE an image whose pull lasts until it is interrupted. */
void fake_runtime_add_hanging_image(Runtime *runtime, const char *reference);

/* Has list_images tell of one more image, which remove_image can take away while no container was made from it. Those
 * of fake_runtime_add_image are not told of: their id is "sha256:1234". */
void fake_runtime_store_image(Runtime *runtime, const char *id, int64_t size_bytes, bool pinned);

/* The ids of those that are still there, "a b c". The caller frees. */
char *fake_runtime_stored(Runtime *runtime);

/* Ends the newest attempt of a container of pod POD_UID with EXIT_CODE and tells the event handler. False: none runs.
 */
bool fake_runtime_exit(Runtime *runtime, const char *pod_uid, const char *container, int exit_code);

/* While AWAY it says nothing of what it has, as a daemon that is being started anew; how often it was asked since. */
void fake_runtime_set_away(Runtime *runtime, bool away);
unsigned fake_runtime_refused(Runtime *runtime);

/* As after a reboot: every container exited with 255, no sandbox ready. Tells nobody. */
void fake_runtime_reboot(Runtime *runtime);

/* What a container was created with: "K=V" present in its environment; how many containers or sandboxes exist. */
bool fake_runtime_has_env(Runtime *runtime, const char *container, const char *entry);
unsigned fake_runtime_containers(Runtime *runtime);
unsigned fake_runtime_sandboxes(Runtime *runtime);

/* The seconds that the last stop_container gave. */
int64_t fake_runtime_last_grace(Runtime *runtime);

/* Whether a container called NAME shares the processes of one called TARGET; NULL: of none. */
bool fake_runtime_has_target(Runtime *runtime, const char *name, const char *target);

/* Containers named NAME do not end on SIGTERM, only when their grace is over or they are told again with none. */
void fake_runtime_make_stubborn(Runtime *runtime, const char *name);

/* Containers named NAME cannot be started: exit code 127, ContainerCannotRun. */
void fake_runtime_break(Runtime *runtime, const char *name, bool broken);

/* The exit code of every exec from now on. */
void fake_runtime_set_exec_code(Runtime *runtime, int code);

/* From now on an exec says nothing and does not end. */
void fake_runtime_make_execs_hang(Runtime *runtime);

/* The names of containers in the order they were started and stopped, the commands that were run in them and the
 * images whose pull hangs: "+a +b !ls -b -a ?test:2". The caller frees. */
char *fake_runtime_history(Runtime *runtime);
