/* resolve NAME: what getaddrinfo(3) finds, one address a line, sorted by nothing; with its error, if it has one. Built
 * against musl by dns.sh, whose resolver differs from glibc's: both families in parallel, NXDOMAIN of one is of both.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
  const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
  struct addrinfo *found = NULL;
  char text[INET6_ADDRSTRLEN];
  int error = getaddrinfo(argc > 1 ? argv[1] : "", NULL, &hints, &found);
  if (error != 0) {
    printf("%s\n", gai_strerror(error));
    return 1;
  }
  for (const struct addrinfo *at = found; at; at = at->ai_next)
    if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
      printf("%s\n", text);
  freeaddrinfo(found);
  return 0;
}
