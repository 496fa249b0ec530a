#include "clusterd/node/sandbox/pause.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int pause_main(void)
{
  sigset_t signals;
  prctl(PR_SET_NAME, "pause");
  sigfillset(&signals);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  for (;;) {
    int number;
    sigwait(&signals, &number);
    if (number == SIGTERM || number == SIGINT)
      return 0;
    while (waitpid(-1, NULL, WNOHANG) > 0)
      ;
  }
}

int pause_child_main(void)
{
  char byte;
  if (read(STDIN_FILENO, &byte, 1) != 1)
    return 1;
  close(STDIN_FILENO);
  return pause_main();
}
