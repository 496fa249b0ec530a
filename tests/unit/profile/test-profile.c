/* Profiles on disk: what is written is read again, what is wrong is refused by name, and nobody else's data is lost. */
#include <glib/gstdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "profile/profile.h"

typedef struct World {
  char *path;
  Home *home;
} World;

static void set_up(World *world, gconstpointer unused)
{
  world->path = g_dir_make_tmp("launcher-test-XXXXXX", NULL);
  g_setenv("LAUNCHER_HOME", world->path, TRUE);
  world->home = home_new("/usr/bin/launcher");
}

static void tear_down(World *world, gconstpointer unused)
{
  home_free(world->home);
  g_assert_true(file_remove_tree(world->path, NULL));
  g_free(world->path);
}

static void test_round_trip(World *world, gconstpointer unused)
{
  g_autoptr(Profile) profile = profile_new("rajesh");
  profile->cpus = 3;
  g_free(profile->driver);
  profile->driver = g_strdup("container");
  g_assert_cmpstr(profile->container_runtime, ==, "native");
  g_free(profile->container_runtime);
  profile->container_runtime = g_strdup("cri-o");
  g_assert_true(profile_save(world->home, profile, NULL));
  g_autoptr(Profile) again = profile_load(world->home, "rajesh", NULL);
  g_assert_cmpstr(again->container_runtime, ==, "cri-o");
  g_assert_cmpint(again->cpus, ==, 3);
  g_assert_cmpstr(again->driver, ==, "container");
  g_assert_cmpstr(again->uuid, ==, profile->uuid);
  g_assert_cmpint(again->memory_mib, ==, 4096);
}

static void write_config(World *world, const char *name, const char *text)
{
  g_autofree char *folder = home_profile_file(world->home, name, "");
  g_autofree char *path = home_profile_file(world->home, name, "config.json");
  g_assert_true(file_make_dirs(folder, 0755, NULL));
  g_assert_true(file_write_atomic(path, text, strlen(text), 0600, NULL));
}

static void test_unknown_members_stay(World *world, gconstpointer unused)
{
  write_config(world, "old", "{\"Name\":\"old\",\"KVMGPU\":true,\"KubernetesConfig\":{\"CNI\":\"x\"}}");
  g_autoptr(Profile) profile = profile_load(world->home, "old", NULL);
  g_assert_nonnull(profile);
  g_assert_true(profile_save(world->home, profile, NULL));
  g_autofree char *path = home_profile_file(world->home, "old", "config.json");
  g_autoptr(json_t) value = json_read_file(path, NULL);
  g_assert_true(json_is_true(json_object_get(value, "KVMGPU")));
  g_assert_cmpstr(json_str(json_object_get(value, "KubernetesConfig"), "CNI", ""), ==, "x");
}

static void check_refused(World *world, const char *text, Reason reason, const char *member)
{
  g_autoptr(GError) error = NULL;
  write_config(world, "bad", text);
  g_assert_null(profile_load(world->home, "bad", &error));
  g_assert_error(error, LAUNCHER_ERROR, (int)reason);
  g_assert_nonnull(strstr(error->message, member));
}

static void test_refusals(World *world, gconstpointer unused)
{
  check_refused(world, "{\"Name\":\"bad\",\"CPUs\":0}", REASON_CONFIG, "CPUs");
  check_refused(world, "{\"Name\":\"bad\",\"Memory\":\"lots\"}", REASON_CONFIG, "Memory");
  check_refused(world, "{\"Name\":\"bad\",\"KubernetesConfig\":{\"APIServerIPs\":[1]}}", REASON_CONFIG, "APIServerIPs");
  check_refused(world, "{\"Name\":\"bad\",\"KubernetesConfig\":{\"ContainerRuntime\":\"rkt\"}}", REASON_CONFIG,
                "ContainerRuntime");
  check_refused(world, "{\"Name\":\"other\"}", REASON_CONFIG, "Name");
  check_refused(world, "{\"Name\":", REASON_CONFIG, "config.json");
  g_autoptr(GError) error = NULL;
  g_assert_null(profile_load(world->home, "none", &error));
  g_assert_error(error, LAUNCHER_ERROR, REASON_GUEST_NOT_FOUND);
}

static void test_names(void)
{
  static const char *const good[] = { "ab", "rajesh", "a-1", "X9" };
  static const char *const wrong[] = { "",     "a",   "a/b",
                                       "../x", "-a",  "a-",
                                       "a.b",  "a b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
  for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
    g_assert_true(profile_check_name(good[i], NULL));
  for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_false(profile_check_name(wrong[i], &error));
    g_assert_error(error, LAUNCHER_ERROR, REASON_USAGE);
  }
}

static void test_addresses_differ(World *world, gconstpointer unused)
{
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (int i = 0; i < 20; i++) {
    g_autofree char *name = g_strdup_printf("p%d", i);
    g_autoptr(Profile) profile = profile_new(name);
    g_assert_true(profile_choose_address(world->home, profile, NULL));
    g_assert_true(g_str_has_prefix(profile->address, "127.77."));
    g_assert_true(g_hash_table_add(seen, g_strdup(profile->address)));
  }
  g_auto(GStrv) names = profile_names(world->home);
  g_assert_cmpuint(g_strv_length(names), ==, 20);
}

static void test_lock_names_profile(World *world, gconstpointer unused)
{
  g_autoptr(GError) error = NULL;
  file_autofd int fd = profile_lock(world->home, "one", 0, NULL);
  g_assert_cmpint(fd, >=, 0);
  g_assert_cmpint(profile_lock(world->home, "one", 0, &error), ==, -1);
  g_assert_error(error, LAUNCHER_ERROR, REASON_PROFILE_LOCKED);
  g_assert_nonnull(strstr(error->message, "\"one\""));
}

static void test_settings(World *world, gconstpointer unused)
{
  g_assert_null(home_config_get(world->home, "driver", NULL));
  g_assert_true(home_config_set(world->home, "driver", "container", NULL));
  g_assert_true(home_config_set(world->home, "cpus", "4", NULL));
  g_autofree char *driver = home_config_get(world->home, "driver", NULL);
  g_assert_cmpstr(driver, ==, "container");
  g_assert_true(home_config_set(world->home, "driver", NULL, NULL));
  g_assert_null(home_config_get(world->home, "driver", NULL));
  g_autofree char *cpus = home_config_get(world->home, "cpus", NULL);
  g_assert_cmpstr(cpus, ==, "4");
}

/* Invoked as minikube, the program takes minikube's names. */
static void test_identity(void)
{
  g_unsetenv("MINIKUBE_HOME");
  g_autoptr(Home) home = home_new("/usr/local/bin/minikube");
  g_assert_true(g_str_has_suffix(home->path, "/.minikube"));
  g_assert_cmpstr(home->default_profile, ==, "minikube");
  g_setenv("MINIKUBE_DRIVER", "kvm2", TRUE);
  g_assert_cmpstr(home_env(home, "DRIVER"), ==, "kvm2");
}

#define ADD(path, function) g_test_add(path, World, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  ADD("/profile/round-trip", test_round_trip);
  ADD("/profile/unknown-members", test_unknown_members_stay);
  ADD("/profile/refusals", test_refusals);
  g_test_add_func("/profile/names", test_names);
  ADD("/profile/addresses", test_addresses_differ);
  ADD("/profile/lock", test_lock_names_profile);
  ADD("/home/settings", test_settings);
  g_test_add_func("/home/identity", test_identity);
  return g_test_run();
}
