#include "clusterd/proxy/nft.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"

#define COMPLAINT_MAX 2000 /* bytes of nft's stderr that are kept */

/* One socket pair is the child's stdin, stdout and stderr: send() with MSG_NOSIGNAL needs a socket, and what nft says
 * comes back the same way. */
static bool spawn_nft(pid_t *pid, int *talk, GError **error)
{
  static char name[] = "nft", file_flag[] = "-f", dash[] = "-";
  char *const argv[] = { name, file_flag, dash, NULL };
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return reason_set_errno(error, REASON_LOCAL_NETWORK, errno, "socketpair");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd = 0; fd < 3; fd++)
    posix_spawn_file_actions_adddup2(&actions, pair[1], fd);
  int result = posix_spawnp(pid, "nft", &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pair[1]);
  if (result != 0) {
    close(pair[0]);
    return reason_set_errno(error, REASON_LOCAL_NETWORK, result, "nft");
  }
  *talk = pair[0];
  return true;
}

static void send_text(int fd, const char *text, size_t length)
{
  while (length > 0) {
    ssize_t n = send(fd, text, length, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return; /* it ended early: its complaint tells why */
    text += n;
    length -= (size_t)n;
  }
}

static void receive_complaint(int fd, GString *complaint)
{
  char buffer[512];
  for (;;) {
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return;
    if (complaint->len < COMPLAINT_MAX)
      g_string_append_len(complaint, buffer, n);
  }
}

bool nft_apply(const char *text, GError **error)
{
  pid_t pid;
  file_autofd int talk = -1;
  g_autoptr(GString) complaint = g_string_new(NULL);
  int status;
  if (!spawn_nft(&pid, &talk, error))
    return false;
  /* nft reads all of its input before it says a word, so the two directions cannot block each other. */
  send_text(talk, text, strlen(text));
  shutdown(talk, SHUT_WR);
  receive_complaint(talk, complaint);
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return reason_set_errno(error, REASON_LOCAL_NETWORK, errno, "nft");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return true;
  return reason_set(error, REASON_LOCAL_NETWORK, "nft: %s",
                    complaint->len > 0 ? g_strchomp(complaint->str) : "ended by a signal");
}
