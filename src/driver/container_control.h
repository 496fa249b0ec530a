#pragma once
/* How a launcher command talks to the machine's holder: a lock that tells who it is, a socket for requests. */
#include <sys/types.h>

#include "driver/container_ports.h"
#include "driver/driver.h"
#include "driver/event_loop.h"

/* --- the command's side ----------------------------------------------------------------------------------------------
 */

/* The process that holds the machine of DIRECTORY: asked of the kernel, which drops the lock when its holder dies. 0
 * when there is none. */
pid_t holder_find(const char *directory);

/* A pidfd of the holder, sure to name the process that has the lock; -1 when there is none. */
int holder_pidfd(const char *directory);

/* Asks the holder to open or close a port. DRIVER_CONFLICT as port_server_open(); GUEST_NOT_RUNNING without holder. */
bool holder_ask(const char *directory, bool open, DriverPort port, GError **error);

/* --- the holder's side -----------------------------------------------------------------------------------------------
 */

/* Becomes the holder of DIRECTORY for the life of this process. False with PROFILE_LOCKED when there is one. */
bool holder_claim(const char *directory, GError **error);

/* Serves requests on DIRECTORY's socket out of LOOP by PORTS. NULL with an error. */
typedef struct HolderControl HolderControl;
HolderControl *holder_control_new(EventLoop *loop, const char *directory, PortServer *ports, GError **error);
void holder_control_free(HolderControl *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HolderControl, holder_control_free)

/* --- the words between them; pure ------------------------------------------------------------------------------------
 */

/* "open tcp 8443 8443\n" */
char *holder_request_text(bool open, DriverPort port);
bool holder_request_parse(const char *text, bool *open, DriverPort *port);

/* "ok" or "error CODE MESSAGE"; parse sets *ERROR of that reason and returns false for the second and for noise. */
char *holder_reply_text(const GError *error);
bool holder_reply_parse(const char *text, GError **error);
