/* Hand-over of the docker sockets, with this very program in the role of dockerd and /bin/sleep as containerd. */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "clusterd/node/docker/docker_activation.h"

static const char *self;

/* The daemon: one connection on each socket, an answer that shows what it was given, and the end. */
static int fake_dockerd(void)
{
  int listeners = atoi(g_getenv("LISTEN_FDS"));
  if (g_ascii_strtoll(g_getenv("LISTEN_PID"), NULL, 10) != getpid())
    return 3;
  for (int i = 0; i < listeners; i++) {
    g_autofree char *answer = g_strdup_printf("socket %d of %d\n", i, listeners);
    int fd;
    while ((fd = accept(3 + i, NULL, NULL)) < 0)
      g_usleep(1000);
    if (write(fd, answer, strlen(answer)) < 0)
      return 4;
    close(fd);
  }
  return 0;
}

static int connect_unix(const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_strlcpy(address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  return fd;
}

static int connect_tcp(uint16_t port)
{
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr = { htonl(INADDR_LOOPBACK) } };
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  return fd;
}

static void assert_answer(int fd, const char *wanted)
{
  char answer[64] = "";
  struct timeval patience = { .tv_sec = 20 };
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ssize_t got;
  do /* a timed read is interrupted by the end of a child, whatever the handler says */
    got = read(fd, answer, sizeof answer - 1);
  while (got < 0 && errno == EINTR);
  g_assert_cmpint(got, >, 0);
  g_assert_cmpstr(answer, ==, wanted);
  close(fd);
}

static void test_hand_over(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp("docker-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "docker.sock", NULL);
  g_autofree char *containerd = g_build_filename(folder, "containerd", NULL);
  DockerActivationConfig config = { .socket_path = path,
                                    .address = "127.0.0.1",
                                    .pki_dir = folder,
                                    .data_root = folder,
                                    .run_dir = folder,
                                    .dockerd = self,
                                    .containerd = containerd };
  g_assert_true(g_file_set_contents(containerd, "#!/bin/sh\nexec sleep 1000\n", -1, NULL));
  g_assert_cmpint(g_chmod(containerd, 0755), ==, 0);
  DockerActivation *activation = docker_activation_start(&config, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(docker_activation_port(activation), >, 0);
  for (int round = 0; round < 2; round++) { /* the daemon ends after each: the next connection starts it again */
    int one = connect_unix(path), other = connect_tcp(docker_activation_port(activation));
    assert_answer(one, "socket 0 of 2\n");
    assert_answer(other, "socket 1 of 2\n");
  }
  docker_activation_stop(activation);
  g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
  file_remove_tree(folder, NULL);
}

static void test_no_open_tcp(void)
{
  g_autoptr(GError) error = NULL;
  DockerActivationConfig config = { .socket_path = "/nowhere", .address = "127.0.0.1", .run_dir = "/nowhere" };
  g_assert_null(docker_activation_start(&config, &error));
  g_assert_nonnull(error);
}

int main(int argc, char **argv)
{
  if (g_getenv("LISTEN_FDS"))
    return fake_dockerd();
  g_autofree char *path = g_canonicalize_filename(argv[0], NULL);
  self = path;
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/docker-activation/hand-over", test_hand_over);
  g_test_add_func("/docker-activation/no-open-tcp", test_no_open_tcp);
  return g_test_run();
}
