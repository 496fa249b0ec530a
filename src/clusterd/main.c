/* clusterd: the embedded control plane and node agent in one process. Start-up is a table of components, started in its
 * order and stopped in the reverse one. */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
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
#include "clusterd/components.h"
#include "clusterd/node/image_cli.h"
#include "clusterd/node/native/pause.h"
#include "config.h"

static const char usage[] = "Usage: clusterd --config FILE [-v]...\n"
                            "       clusterd image load|ls|rm ...\n"
                            "The embedded control plane and node agent of a launcher machine.\n\n"
                            "  --config FILE   cluster.json of the machine\n"
                            "  -v, --verbose   log more (may be given three times)\n"
                            "  --version       print the version and exit\n"
                            "  --help          print this help and exit\n";

/* Arenas of the allocator: by default every thread may get one of its own, up to eight for a core, and each keeps what
 * it once needed. Most of the threads here sleep most of the time. */
#define ARENAS_MAX 2

typedef struct Options {
  const char *config;
  int verbosity;
} Options;

/* False when the program is to end with *STATUS. */
static bool parse_options(int argc, char **argv, Options *options, int *status)
{
  static const struct option longs[] = { { "config", required_argument, NULL, 'c' },
                                         { "verbose", no_argument, NULL, 'v' },
                                         { "version", no_argument, NULL, 'V' },
                                         { "help", no_argument, NULL, 'h' },
                                         { NULL, 0, NULL, 0 } };
  int option;
  while ((option = getopt_long(argc, argv, "v", longs, NULL)) >= 0) {
    switch (option) {
    case 'c':
      options->config = optarg;
      break;
    case 'v':
      options->verbosity++;
      break;
    case 'V':
      printf("clusterd %s\n", PACKAGE_VERSION);
      *status = EXIT_SUCCESS;
      return false;
    case 'h':
      fputs(usage, stdout);
      *status = EXIT_SUCCESS;
      return false;
    default:
      fputs(usage, stderr);
      *status = reason_info(REASON_USAGE)->exit_code;
      return false;
    }
  }
  if (options->config && optind == argc)
    return true;
  fputs(usage, stderr);
  *status = reason_info(REASON_USAGE)->exit_code;
  return false;
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

int main(int argc, char **argv)
{
  Options options = { 0 };
  int status = EXIT_SUCCESS;
  if (argc > 0 && g_str_equal(argv[0], PAUSE_NAME))
    return pause_main();
  if (argc > 1 && g_str_equal(argv[1], "image"))
    return image_cli_main(argc - 1, argv + 1);
  if (!parse_options(argc, argv, &options, &status))
    return status;
  log_setup(1 + options.verbosity);
  mallopt(M_ARENA_MAX, ARENAS_MAX); /* before there are threads */
  g_autoptr(GError) error = NULL;
  g_autoptr(ClusterConfig) config = cluster_config_read(options.config, &error);
  if (!config) {
    fprintf(stderr, "clusterd: %s\n", error->message);
    return reason_info((int)reason_of(error))->exit_code;
  }
  file_autofd int signals = open_signals();
  curl_global_init(CURL_GLOBAL_DEFAULT); /* before there are threads */
  g_autoptr(Events) events = events_open(config->events_path);
  Clusterd clusterd = { .config = config, .events = events };
  events_write(events, "clusterd", "%s", PACKAGE_VERSION);
  return run(&clusterd, signals);
}
