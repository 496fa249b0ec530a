/* launcher image ls: minikube's four forms. */
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "launcher/image_list.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const char listing[] =
    "[{\"id\":\"sha256:" HEX_B "\",\"repoTags\":[\"localhost:5000/team/app:1.2\",\"docker.io/library/mine:latest\"],"
    "\"repoDigests\":[],\"size\":\"742900\"},"
    "{\"id\":\"sha256:" HEX_A "\",\"repoTags\":[],\"repoDigests\":[\"quay.io/x/y@sha256:" HEX_A
    "\"],\"size\":\"4432000\"}]";

static char *text_of(const char *json, const char *format, GError **error)
{
  g_autoptr(json_t) images = json_parse(json, strlen(json), true, NULL);
  return image_list_text(images, format, error);
}

static void check(const char *json, const char *format, const char *expected)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *text = text_of(json, format, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(text, ==, expected);
}

static void test_short(void)
{
  check(listing, "short", "docker.io/library/mine:latest\nlocalhost:5000/team/app:1.2\nquay.io/x/y@sha256:" HEX_A "\n");
  check("[]", "short", "");
}

static void test_json(void)
{
  check(listing, "json",
        "[{\"id\":\"" HEX_B
        "\",\"repoDigests\":[],\"repoTags\":[\"localhost:5000/team/app:1.2\",\"docker.io/library/mine:latest\"],"
        "\"size\":\"742900\"},{\"id\":\"" HEX_A "\",\"repoDigests\":[\"quay.io/x/y@sha256:" HEX_A "\"],\"repoTags\":[],"
        "\"size\":\"4432000\"}]\n");
  check("[]", "json", "[]\n");
}

static void test_yaml(void)
{
  g_autofree char *text = text_of(listing, "yaml", NULL);
  g_assert_nonnull(strstr(text, "- docker.io/library/mine:latest\n"));
  g_assert_nonnull(strstr(text, "size: \"742900\"\n"));
}

static void test_table(void)
{
  check(listing, "table",
        "┌─────────────────────────┬────────┬───────────────┬────────┐\n"
        "│          IMAGE          │  TAG   │   IMAGE ID    │  SIZE  │\n"
        "├─────────────────────────┼────────┼───────────────┼────────┤\n"
        "│ docker.io/library/mine  │ latest │ bbbbbbbbbbbbb │ 743kB  │\n"
        "│ localhost:5000/team/app │ 1.2    │ bbbbbbbbbbbbb │ 743kB  │\n"
        "│ quay.io/x/y             │ <none> │ aaaaaaaaaaaaa │ 4.43MB │\n"
        "└─────────────────────────┴────────┴───────────────┴────────┘\n");
}

static void test_refusals(void)
{
  static const char *const bad[] = { "{}", "[1]", "[{\"id\":\"x\"}]",
                                     "[{\"id\":\"x\",\"size\":1,\"repoTags\":[],\"repoDigests\":[]}]",
                                     "[{\"id\":\"x\",\"size\":\"1\",\"repoTags\":[2],\"repoDigests\":[]}]" };
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(text_of(bad[i], "table", &error));
    g_assert_error(error, LAUNCHER_ERROR, REASON_BAD_REQUEST);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/image-list/short", test_short);
  g_test_add_func("/image-list/json", test_json);
  g_test_add_func("/image-list/yaml", test_yaml);
  g_test_add_func("/image-list/table", test_table);
  g_test_add_func("/image-list/refusals", test_refusals);
  return g_test_run();
}
