/* clusterd: the embedded control plane and node agent in one process. Start-up is a table of components, started in its
 * order and stopped in the reverse one. */
#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/reason.h"
#include "clusterd/command_line.h"
#include "clusterd/components.h"
#include "clusterd/node/cri/cni_plugin.h"
#include "clusterd/node/image_cli.h"
#include "clusterd/node/sandbox/pause.h"
#include "clusterd/options.h"
#include "clusterd/store_cli.h"
#include "config.h"

/* Arenas of the allocator: by default every thread may get one of its own, up to eight for a core, and each keeps what
 * it once needed. Most of the threads here sleep most of the time. */
#define ARENAS_MAX 2

/* Ends the program for what it was called with. */
static int say(const CommandLine *line)
{
  g_autofree char *help = line->action == COMMAND_LINE_HELP ? options_help() : NULL;
  if (help)
    fputs(help, stdout);
  else
    printf("clusterd %s\n", PACKAGE_VERSION);
  return EXIT_SUCCESS;
}

/* Every line of ERROR is one thing that is wrong. */
static int refuse(const GError *error)
{
  g_auto(GStrv) problems = g_strsplit(error->message, "\n", -1);
  for (int i = 0; problems[i]; i++)
    fprintf(stderr, "clusterd: %s\n", problems[i]);
  fputs("Run \"clusterd --help\" to see what it takes.\n", stderr);
  return reason_info((int)reason_of(error))->exit_code;
}

static int print_man_page(void)
{
  g_autofree char *page = options_man_page();
  fputs(page, stdout);
  return EXIT_SUCCESS;
}

/* Signals are read from a descriptor; they are blocked before any thread starts, so that none gets them. */
static int open_signals(void)
{
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  signal(SIGPIPE, SIG_IGN);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

static void wait_for_signal(int fd)
{
  struct signalfd_siginfo info;
  while (read(fd, &info, sizeof info) < 0 && errno == EINTR)
    ;
}

static void stop_components(Clusterd *clusterd, gsize started)
{
  while (started-- > 0)
    if (components[started].stop)
      components[started].stop(clusterd);
}

static int run(Clusterd *clusterd, int signals)
{
  g_autoptr(GError) error = NULL;
  gsize started = 0;
  bool ok = true;
  while (ok && components[started].name) {
    ok = components[started].start(clusterd, &error);
    started += ok;
  }
  if (ok)
    wait_for_signal(signals);
  else
    events_write(clusterd->events, "failed", "%s: %s", components[started].name, error->message);
  stop_components(clusterd, started);
  if (ok)
    return EXIT_SUCCESS;
  g_critical("%s: %s", components[started].name, error->message);
  return reason_info((int)reason_of(error))->exit_code;
}

static int run_cluster(const CommandLine *line)
{
  mallopt(M_ARENA_MAX, ARENAS_MAX); /* before there are threads */
  file_autofd int signals = open_signals();
  curl_global_init(CURL_GLOBAL_DEFAULT); /* before there are threads */
  g_autoptr(Events) events = events_open(line->config->events_path);
  Clusterd clusterd = { .config = line->config, .events = events };
  events_write(events, "clusterd", "%s", PACKAGE_VERSION);
  return run(&clusterd, signals);
}

int main(int argc, char **argv)
{
  if (argc > 0 && g_str_equal(argv[0], PAUSE_NAME))
    return pause_child_main();
  if (cni_plugin_named(argv[0]))
    return cni_plugin_main(argv[0]);
  if (argc > 1 && g_str_equal(argv[1], "image"))
    return image_cli_main(argc - 1, argv + 1);
  if (argc > 1 && g_str_equal(argv[1], "store"))
    return store_cli_main(argc - 1, argv + 1);
  if (argc > 1 && g_str_equal(argv[1], "man-page"))
    return print_man_page();
  g_autoptr(GError) error = NULL;
  CommandLine line = { 0 };
  bool good = command_line_read(&line, argc, argv, &error);
  log_setup(1 + line.verbosity);
  int status = !good ? refuse(error) : line.action == COMMAND_LINE_RUN ? run_cluster(&line) : say(&line);
  cluster_config_free(line.config);
  return status;
}
