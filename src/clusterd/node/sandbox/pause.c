#include "clusterd/node/sandbox/pause.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

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
