/* Static pods: files of the node that run whatever the API says, and their mirrors in the API. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "clusterd/node/static_manifest.h"
#include "kubelet_fixture.h"

#define WEB(image)                                                                                                     \
  "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels: {role: myrole}\nspec:\n"                               \
  "  terminationGracePeriodSeconds: 7\n  containers:\n  - name: c\n    image: " image "\n"

/* As an editor does it: a file beside it, moved into its place. */
static void put(Fixture *fixture, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename(fixture->manifests, name, NULL);
  g_autofree char *part = g_strdup_printf("%s/.%s.part", fixture->manifests, name);
  g_assert_true(g_file_set_contents_full(part, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  g_assert_cmpint(g_rename(part, path), ==, 0);
}

/* As a shell's redirection does it: in place. */
static void write_in_place(Fixture *fixture, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename(fixture->manifests, name, NULL);
  g_assert_true(g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void take_away(Fixture *fixture, const char *name)
{
  g_autofree char *path = g_build_filename(fixture->manifests, name, NULL);
  g_assert_cmpint(g_unlink(path), ==, 0);
}

/* A member of the mirror's metadata, or an annotation; "" when absent. The caller frees. */
static char *metadata_of(Fixture *fixture, const char *name, const char *member)
{
  g_autoptr(Object) pod = client_get(fixture->client, "v1", "pods", "default", name, NULL);
  const json_t *metadata = pod ? json_object_get(object_json(pod), "metadata") : NULL;
  const json_t *holder = strchr(member, '/') ? json_object_get(metadata, "annotations") : metadata;
  return g_strdup(json_str(holder, member, ""));
}

static bool is_running(Fixture *fixture, const char *name)
{
  return status_is(fixture, name, "phase", "Running");
}

static void test_mirror(Fixture *fixture, gconstpointer data)
{
  put(fixture, "web.yaml", WEB("test:1"));
  wait_until(is_running(fixture, "web-n1"));
  g_assert_true(shows_condition(fixture, "web-n1", "Ready", "True"));
  g_autofree char *hash = metadata_of(fixture, "web-n1", STATIC_HASH);
  g_autofree char *mirror = metadata_of(fixture, "web-n1", STATIC_MIRROR);
  g_autofree char *source = metadata_of(fixture, "web-n1", STATIC_SOURCE);
  g_autofree char *seen = metadata_of(fixture, "web-n1", STATIC_SEEN);
  g_autofree char *uid = metadata_of(fixture, "web-n1", "uid");
  g_assert_cmpuint(strlen(hash), ==, 32);
  g_assert_cmpstr(mirror, ==, hash);
  g_assert_cmpstr(source, ==, "file");
  g_assert_cmpstr(seen, !=, "");
  g_assert_cmpstr(uid, !=, hash);
  g_autoptr(Object) pod = client_get(fixture->client, "v1", "pods", "default", "web-n1", NULL);
  const json_t *owner = json_array_get(json_at(object_json(pod), "metadata", "ownerReferences", NULL), 0);
  g_assert_cmpstr(json_str(owner, "kind", ""), ==, "Node");
  g_assert_true(json_flag(owner, "controller", false));
  g_assert_cmpstr(json_str(json_at(object_json(pod), "metadata", "labels", NULL), "role", ""), ==, "myrole");
  const json_t *toleration = json_array_get(json_at(object_json(pod), "spec", "tolerations", NULL), 0);
  g_assert_cmpstr(json_str(toleration, "operator", ""), ==, "Exists");
  g_assert_cmpstr(json_str(toleration, "effect", ""), ==, "NoExecute");
  g_assert_null(json_at(object_json(pod), "spec", "serviceAccountName", NULL));
  wait_until(has_event(fixture, "Started", "Started container c"));
}

/* `kubectl delete` of the mirror takes away what shows the pod, not the pod. */
static void test_deleted_mirror(Fixture *fixture, gconstpointer data)
{
  put(fixture, "web.yaml", WEB("test:1"));
  wait_until(is_running(fixture, "web-n1"));
  for (int64_t grace = -1; grace < 1; grace++) { /* as asked for, and by force */
    g_autofree char *uid = metadata_of(fixture, "web-n1", "uid");
    g_autofree char *id = status_of(fixture, "web-n1", "containerStatuses.0.containerID");
    delete_pod(fixture, "web-n1", grace);
    wait_until(is_running(fixture, "web-n1") && ({
                 g_autofree char *now = metadata_of(fixture, "web-n1", "uid");
                 !g_str_equal(now, uid);
               }));
    wait_until(status_is(fixture, "web-n1", "containerStatuses.0.containerID", id));
    wait_until(status_is(fixture, "web-n1", "containerStatuses.0.restartCount", "0"));
  }
  g_autofree char *history = fake_runtime_history(fixture->runtime);
  g_assert_cmpstr(history, ==, "+c");
}

static void test_changed_file(Fixture *fixture, gconstpointer data)
{
  fake_runtime_add_image(fixture->runtime, "test:2", true);
  put(fixture, "web.yaml", WEB("test:1"));
  wait_until(is_running(fixture, "web-n1"));
  g_autofree char *hash = metadata_of(fixture, "web-n1", STATIC_HASH);
  put(fixture, "web.yaml", WEB("test:1") "\n# a comment changes nothing\n");
  write_in_place(fixture, "web.yaml", WEB("test:2"));
  wait_until(is_running(fixture, "web-n1") && ({
               g_autofree char *now = metadata_of(fixture, "web-n1", STATIC_MIRROR);
               !g_str_equal(now, hash);
             }));
  g_autoptr(Object) pod = client_get(fixture->client, "v1", "pods", "default", "web-n1", NULL);
  const json_t *container = json_array_get(json_at(object_json(pod), "spec", "containers", NULL), 0);
  g_assert_cmpstr(json_str(container, "image", ""), ==, "test:2");
  g_autofree char *history = fake_runtime_history(fixture->runtime);
  g_assert_cmpstr(history, ==, "+c -c +c"); /* never two at once, and once only */
  g_assert_cmpuint(fake_runtime_sandboxes(fixture->runtime), ==, 1);
}

static void test_removed_file(Fixture *fixture, gconstpointer data)
{
  put(fixture, "web.yaml", WEB("test:1"));
  wait_until(is_running(fixture, "web-n1"));
  g_autofree char *hash = metadata_of(fixture, "web-n1", STATIC_HASH);
  g_autofree char *dir = g_build_filename(fixture->pods, hash, NULL);
  g_assert_true(g_file_test(dir, G_FILE_TEST_IS_DIR));
  take_away(fixture, "web.yaml");
  wait_until(!exists(fixture, "web-n1"));
  g_assert_cmpuint(fake_runtime_sandboxes(fixture->runtime), ==, 0);
  g_assert_false(g_file_test(dir, G_FILE_TEST_EXISTS));
  put(fixture, "web.yaml", WEB("test:1")); /* the same again: it runs again */
  wait_until(is_running(fixture, "web-n1"));
}

/* Its own time to end, not the second that a pod gets which the API has let go. */
static void test_grace(Fixture *fixture, gconstpointer data)
{
  fake_runtime_make_stubborn(fixture->runtime, "c");
  put(fixture, "web.yaml",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  terminationGracePeriodSeconds: "
      "600\n  containers: [{name: c, image: 'test:1'}]\n");
  wait_until(is_running(fixture, "web-n1"));
  g_autofree char *hash = metadata_of(fixture, "web-n1", STATIC_HASH);
  take_away(fixture, "web.yaml");
  wait_until(has_event(fixture, "Killing", "Stopping container c"));
  g_assert_true(exists(fixture, "web-n1")); /* shown as long as it runs */
  put(fixture, "web.yaml", WEB("test:1"));  /* waits for its place */
  g_assert_cmpuint(fake_runtime_sandboxes(fixture->runtime), ==, 1);
  g_assert_true(fake_runtime_exit(fixture->runtime, hash, "c", 0));
  wait_until(is_running(fixture, "web-n1") && ({
               g_autofree char *now = metadata_of(fixture, "web-n1", STATIC_MIRROR);
               !g_str_equal(now, hash);
             }));
}

static void test_bad_files(Fixture *fixture, gconstpointer data)
{
  g_autofree char *large = g_strnfill(STATIC_MANIFEST_MAX + 1, ' ');
  g_autofree char *folder = g_build_filename(fixture->manifests, "folder.yaml", NULL);
  g_autofree char *fifo = g_build_filename(fixture->manifests, "fifo.yaml", NULL);
  g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
  g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
  put(fixture, "bad.yaml", "apiVersion: v1\nkind: Pod\nmetadata: [\n");
  put(fixture, "large.yaml", large);
  put(fixture, "service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n");
  put(fixture, "invalid.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: Web}\nspec: {containers: []}\n");
  put(fixture, "empty.yaml", "");
  put(fixture, "web.yaml", WEB("test:1"));
  put(fixture, "web2.yaml", WEB("test:1")); /* the same pod once more */
  wait_until(is_running(fixture, "web-n1"));
  wait_until(has_event(fixture, "FailedValidation", "bad.yaml"));
  wait_until(has_event(fixture, "FailedValidation", "large.yaml"));
  wait_until(has_event(fixture, "FailedValidation", "it holds no Pod of v1 but Service of v1"));
  wait_until(has_event(fixture, "FailedValidation", "spec.containers: Required value"));
  wait_until(has_event(fixture, "FailedValidation", "empty.yaml"));
  wait_until(has_event(fixture, "FailedValidation", "another file describes the pod default/web-n1"));
  put(fixture, "web.yaml", "kind: Po"); /* half a file does not end what ran */
  wait_until(has_event(fixture, "FailedValidation", "manifests/web.yaml"));
  g_assert_true(is_running(fixture, "web-n1"));
  g_autofree char *history = fake_runtime_history(fixture->runtime);
  g_assert_cmpstr(history, ==, "+c");
}

static void test_json(Fixture *fixture, gconstpointer data)
{
  put(fixture, "a.json",
      "\n{\"apiVersion\": \"v1\", \"kind\": \"Pod\",\t\"metadata\": {\"name\": \"a\"}, "
      "\"spec\": {\"containers\": [{\"name\": \"c\", \"image\": \"test:1\"}]}}");
  put(fixture, "flow.yaml",
      "{apiVersion: v1, kind: Pod, metadata: {name: b, annotations: {kubernetes.io/config.mirror: "
      "x}}, spec: {containers: [{name: c, image: 'test:1'}]}}");
  wait_until(is_running(fixture, "a-n1") && is_running(fixture, "b-n1"));
}

/* A restart of ours: what runs is taken up, what changed meanwhile is made so. */
static void test_restart(Fixture *fixture, gconstpointer data)
{
  put(fixture, "web.yaml", WEB("test:1"));
  put(fixture, "gone.yaml",
      "{apiVersion: v1, kind: Pod, metadata: {name: gone}, spec: {containers: [{name: g, image: "
      "'test:1'}]}}");
  wait_until(is_running(fixture, "web-n1") && is_running(fixture, "gone-n1"));
  g_autofree char *hash = metadata_of(fixture, "web-n1", STATIC_HASH);
  wait_until(fake_runtime_exit(fixture->runtime, hash, "c", 1));
  wait_until(is_running(fixture, "web-n1") && status_is(fixture, "web-n1", "containerStatuses.0.restartCount", "1"));
  g_autofree char *id = status_of(fixture, "web-n1", "containerStatuses.0.containerID");
  g_autofree char *start = status_of(fixture, "web-n1", "startTime");
  stop_kubelet(fixture);
  take_away(fixture, "gone.yaml");
  delete_pod(fixture, "web-n1", 0);
  start_kubelet(fixture);
  wait_until(status_is(fixture, "web-n1", "containerStatuses.0.containerID", id));
  g_assert_true(status_is(fixture, "web-n1", "containerStatuses.0.restartCount", "1"));
  wait_until(!exists(fixture, "gone-n1"));
  g_assert_cmpuint(fake_runtime_sandboxes(fixture->runtime), ==, 1);
  stop_kubelet(fixture);
  start_kubelet(fixture);
  wait_until(is_running(fixture, "web-n1"));
  g_assert_true(status_is(fixture, "web-n1", "containerStatuses.0.containerID", id));
  wait_until(fake_runtime_exit(fixture->runtime, hash, "c", 0)); /* and watched over */
  wait_until(status_is(fixture, "web-n1", "containerStatuses.0.restartCount", "2"));
}

/* The API's refusal is no reason not to run: here the namespace is not there. */
static void test_unshown(Fixture *fixture, gconstpointer data)
{
  put(fixture, "web.yaml",
      "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: later}, spec: {containers: "
      "[{name: c, image: 'test:1'}]}}");
  wait_until(fake_runtime_containers(fixture->runtime) == 1);
  json_decref(create(fixture, "v1", "namespaces", NULL, "{metadata: {name: later}}"));
  g_autoptr(Object) mirror = NULL;
  wait_until((mirror = client_get(fixture->client, "v1", "pods", "later", "web-n1", NULL)));
}

/* A pod of the API that says it is a mirror, but of nothing; and one that has a static pod's name. */
static void test_strangers(Fixture *fixture, gconstpointer data)
{
  g_free(create_pod(fixture, "web-n1", ONE));
  wait_until(is_running(fixture, "web-n1"));
  json_decref(create(fixture, "v1", "pods", "default",
                     "{metadata: {name: stray, annotations: {kubernetes.io/config.mirror: abc}}, spec: {nodeName: n1, "
                     "containers: [{name: c, image: 'test:1'}]}}"));
  wait_until(!exists(fixture, "stray"));
  put(fixture, "web.yaml", WEB("test:1"));
  wait_until(fake_runtime_sandboxes(fixture->runtime) == 2);
  g_autofree char *mirror = metadata_of(fixture, "web-n1", STATIC_MIRROR);
  g_assert_cmpstr(mirror, ==, "");
}

/* The folder itself goes and comes. */
static void test_folder(Fixture *fixture, gconstpointer data)
{
  put(fixture, "web.yaml", WEB("test:1"));
  wait_until(is_running(fixture, "web-n1"));
  g_assert_true(file_remove_tree(fixture->manifests, NULL));
  wait_until(!exists(fixture, "web-n1"));
  wait_until(g_file_test(fixture->manifests, G_FILE_TEST_IS_DIR));
  put(fixture, "web.yaml", WEB("test:1"));
  wait_until(is_running(fixture, "web-n1"));
}

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run)(Fixture *, gconstpointer);
  } tests[] = { { "mirror", test_mirror },
                { "deleted-mirror", test_deleted_mirror },
                { "changed-file", test_changed_file },
                { "removed-file", test_removed_file },
                { "grace", test_grace },
                { "bad-files", test_bad_files },
                { "json", test_json },
                { "restart", test_restart },
                { "unshown", test_unshown },
                { "strangers", test_strangers },
                { "folder", test_folder } };
  g_test_init(&argc, &argv, NULL);
  g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL); /* warnings about bad files are wanted */
  for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
    g_autofree char *path = g_strdup_printf("/kubelet-static/%s", tests[i].name);
    g_test_add(path, Fixture, NULL, set_up, tests[i].run, tear_down);
  }
  return g_test_run();
}
