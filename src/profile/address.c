/* The loopback address of a profile. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reason.h"
#include "profile/profile.h"

#define ADDRESSES (254u * 254u) /* 127.77.1.1 to 127.77.254.254 */
#define TRIES 512

static bool is_free(const char *address, uint16_t port)
{
  struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
  file_autofd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  return fd >= 0 && inet_pton(AF_INET, address, &name.sin_addr) == 1 &&
         setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
         bind(fd, (struct sockaddr *)&name, sizeof name) == 0;
}

/* The addresses other profiles of this home have. */
static GHashTable *addresses_in_use(const Home *home, const char *but)
{
  GHashTable *used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_auto(GStrv) names = profile_names(home);
  for (char **name = names; *name; name++) {
    if (strcmp(*name, but) == 0)
      continue;
    g_autoptr(Profile) other = profile_load(home, *name, NULL);
    if (other)
      g_hash_table_add(used, g_strdup(other->address));
  }
  return used;
}

bool profile_choose_address(const Home *home, Profile *profile, GError **error)
{
  g_autofree char *locks = home_file(home, "locks");
  g_autofree char *lock_path = g_build_filename(locks, "addresses", NULL);
  file_autofd int lock = file_make_dirs(locks, 0755, error) ? file_lock(lock_path, 10000, error) : -1;
  if (lock < 0)
    return false;
  g_autoptr(GHashTable) used = addresses_in_use(home, profile->name);
  /* the user's id and the name spread users and profiles over the range, so that two of them rarely meet */
  guint start = g_str_hash(profile->name) ^ (guint)getuid() * 2654435761u;
  for (guint i = 0; i < TRIES; i++) {
    guint n = (start + i) % ADDRESSES;
    g_autofree char *address = g_strdup_printf("127.77.%u.%u", n / 254 % 254 + 1, n % 254 + 1);
    if (g_hash_table_contains(used, address) || !is_free(address, (uint16_t)profile->apiserver_port))
      continue;
    g_free(profile->address);
    profile->address = g_steal_pointer(&address);
    return profile_save(home, profile, error);
  }
  return reason_set(error, REASON_LOCAL_NETWORK, "no free address in 127.77.0.0/16 with port %d",
                    (int)profile->apiserver_port);
}
