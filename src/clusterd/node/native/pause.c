/* The first process of a pod's shared process namespace: adopts what the containers leave behind and reaps it. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
  sigset_t signals;
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
