#pragma once
/* The first process of a pod's shared process namespace. */

/* The name the runtime starts its own program under (argv[0]) for this purpose: main() must then call
 * pause_child_main() at once. It is what `ps` shows in such pods everywhere. */
#define PAUSE_NAME "/pause"

/* Adopts and reaps what the containers leave behind, until SIGTERM or SIGINT. Returns the exit status. */
int pause_main(void);

/* The same of a child of the runtime, once it has read a byte from standard input. Without the byte who started it went
 * before anybody else knew of it: it ends. */
int pause_child_main(void);
