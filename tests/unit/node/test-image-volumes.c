/* Volumes that are images, as far as the kubelet goes: they are pulled as those of containers are. */
#include <glib.h>
#include <string.h>

#include "kubelet_fixture.h"

/* That the secret is a volume, too, makes the pod wait until the node knows it. */
#define POD(image)                                                                                                     \
  "imagePullSecrets: [{name: login}], volumes: [{name: v, image: {reference: '" image "'}}, {name: s, secret: "        \
  "{secretName: login}}, {name: unused, image: {reference: 'never-asked-for:1'}}], containers: [{name: c, image: "     \
  "'test:1', volumeMounts: [{name: v, mountPath: /v}, {name: s, mountPath: /s}]}]"

static void create_login(Fixture *fixture)
{
  json_decref(create(fixture, "v1", "secrets", "default",
                     "{metadata: {name: login}, type: kubernetes.io/dockerconfigjson, data: {.dockerconfigjson: "
                     "eyJhdXRocyI6IHsiaHR0cHM6Ly9pbmRleC5kb2NrZXIuaW8vdjEvIjogeyJ1c2VybmFtZS"
                     "I6ICJtZSIsICJwYXNzd29yZCI6ICJzZWNyZXQifX19}}"));
}

static bool happened(Fixture *fixture, const char *what)
{
  g_autofree char *history = fake_runtime_history(fixture->runtime);
  return strstr(history, what) != NULL;
}

/* The container waits for the image, which is pulled with the pod's secrets, and is started when it is mounted. */
static void test_pulled(Fixture *fixture, gconstpointer data)
{
  create_login(fixture);
  fake_runtime_add_image(fixture->runtime, "remote:1", false);
  g_free(create_pod(fixture, "p", POD("remote:1")));
  wait_until(status_is(fixture, "p", "phase", "Running"));
  wait_until(has_event(fixture, "Pulling", "Pulling image \"remote:1\""));
  wait_until(has_event(fixture, "Pulled", "Successfully pulled image \"remote:1\""));
  g_assert_true(happened(fixture, "me:remote:1 @v +c"));
  g_assert_false(happened(fixture, "@unused"));
}

static void test_absent(Fixture *fixture, gconstpointer data)
{
  create_login(fixture);
  g_free(create_pod(fixture, "p", POD("absent:1")));
  wait_until(has_event(fixture, "Failed", "Failed to pull image \"absent:1\""));
  wait_until(status_is(fixture, "p", "containerStatuses.0.state.waiting.reason", "ImagePullBackOff"));
  g_assert_false(happened(fixture, "+c"));
  delete_pod(fixture, "p", -1);
  wait_until(!exists(fixture, "p"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add("/image-volumes/pulled", Fixture, NULL, set_up, test_pulled, tear_down);
  g_test_add("/image-volumes/absent", Fixture, NULL, set_up, test_absent, tear_down);
  return g_test_run();
}
