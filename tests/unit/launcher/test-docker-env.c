/* launcher docker-env: every shell's language, byte by byte. */
#include "base/json.h"
#include "launcher/docker_env_text.h"

static const char *const names[] = { "DOCKER_TLS_VERIFY", "DOCKER_HOST", "DOCKER_CERT_PATH", "LAUNCHER_ACTIVE_DOCKERD",
                                     NULL };

typedef struct Row {
  const char *shell, *set, *unset;
} Row;

#define POSIX_SET                                                                                                      \
  "export DOCKER_TLS_VERIFY=\"1\"\n"                                                                                   \
  "export DOCKER_HOST=\"tcp://127.77.0.1:2376\"\n"                                                                     \
  "export DOCKER_CERT_PATH=\"/h/docker\"\n"                                                                            \
  "export LAUNCHER_ACTIVE_DOCKERD=\"one\"\n"                                                                           \
  "\n"                                                                                                                 \
  "# To point your shell to launcher's docker-daemon, run:\n"                                                          \
  "# eval $(launcher -p one docker-env)\n"
#define POSIX_UNSET                                                                                                    \
  "unset DOCKER_TLS_VERIFY;\nunset DOCKER_HOST;\nunset DOCKER_CERT_PATH;\nunset LAUNCHER_ACTIVE_DOCKERD;\n"

static const Row rows[] = {
  { "bash", POSIX_SET, POSIX_UNSET },
  { "zsh", POSIX_SET, POSIX_UNSET },
  { "sh", POSIX_SET, POSIX_UNSET },
  { "nobody-knows-it", POSIX_SET, POSIX_UNSET },
  { "fish",
    "set -gx DOCKER_TLS_VERIFY \"1\";\n"
    "set -gx DOCKER_HOST \"tcp://127.77.0.1:2376\";\n"
    "set -gx DOCKER_CERT_PATH \"/h/docker\";\n"
    "set -gx LAUNCHER_ACTIVE_DOCKERD \"one\";\n"
    "\n"
    "# To point your shell to launcher's docker-daemon, run:\n"
    "# launcher -p one docker-env | source\n",
    "set -e DOCKER_TLS_VERIFY;\nset -e DOCKER_HOST;\nset -e DOCKER_CERT_PATH;\nset -e LAUNCHER_ACTIVE_DOCKERD;\n" },
  { "powershell",
    "$Env:DOCKER_TLS_VERIFY = \"1\"\n"
    "$Env:DOCKER_HOST = \"tcp://127.77.0.1:2376\"\n"
    "$Env:DOCKER_CERT_PATH = \"/h/docker\"\n"
    "$Env:LAUNCHER_ACTIVE_DOCKERD = \"one\"\n"
    "# To point your shell to launcher's docker-daemon, run:\n"
    "# & launcher -p one docker-env --shell powershell | Invoke-Expression\n",
    "Remove-Item Env:\\\\DOCKER_TLS_VERIFY\nRemove-Item Env:\\\\DOCKER_HOST\nRemove-Item Env:\\\\DOCKER_CERT_PATH\n"
    "Remove-Item Env:\\\\LAUNCHER_ACTIVE_DOCKERD\n" },
  { "cmd",
    "SET DOCKER_TLS_VERIFY=1\n"
    "SET DOCKER_HOST=tcp://127.77.0.1:2376\n"
    "SET DOCKER_CERT_PATH=/h/docker\n"
    "SET LAUNCHER_ACTIVE_DOCKERD=one\n"
    "REM To point your shell to launcher's docker-daemon, run:\n"
    "REM @FOR /f \"tokens=*\" %i IN ('launcher -p one docker-env --shell cmd') DO @%i\n",
    "SET DOCKER_TLS_VERIFY=\nSET DOCKER_HOST=\nSET DOCKER_CERT_PATH=\nSET LAUNCHER_ACTIVE_DOCKERD=\n" },
  { "emacs",
    "(setenv \"DOCKER_TLS_VERIFY\" \"1\")\n"
    "(setenv \"DOCKER_HOST\" \"tcp://127.77.0.1:2376\")\n"
    "(setenv \"DOCKER_CERT_PATH\" \"/h/docker\")\n"
    "(setenv \"LAUNCHER_ACTIVE_DOCKERD\" \"one\")\n"
    ";; To point your shell to launcher's docker-daemon, run:\n"
    ";; (with-temp-buffer (shell-command \"launcher -p one docker-env\" (current-buffer)) (eval-buffer))\n",
    "(setenv \"DOCKER_TLS_VERIFY\" nil)\n(setenv \"DOCKER_HOST\" nil)\n(setenv \"DOCKER_CERT_PATH\" nil)\n"
    "(setenv \"LAUNCHER_ACTIVE_DOCKERD\" nil)\n" },
  { "tcsh",
    "setenv DOCKER_TLS_VERIFY \"1\";\n"
    "setenv DOCKER_HOST \"tcp://127.77.0.1:2376\";\n"
    "setenv DOCKER_CERT_PATH \"/h/docker\";\n"
    "setenv LAUNCHER_ACTIVE_DOCKERD \"one\";\n"
    "\n"
    ": \"To point your shell to launcher's docker-daemon, run:\"\n"
    ": eval `launcher -p one docker-env`\n",
    "unsetenv DOCKER_TLS_VERIFY;\nunsetenv DOCKER_HOST;\nunsetenv DOCKER_CERT_PATH;\nunsetenv "
    "LAUNCHER_ACTIVE_DOCKERD;\n" },
  { "none",
    "DOCKER_TLS_VERIFY=1\n"
    "DOCKER_HOST=tcp://127.77.0.1:2376\n"
    "DOCKER_CERT_PATH=/h/docker\n"
    "LAUNCHER_ACTIVE_DOCKERD=one\n",
    "DOCKER_TLS_VERIFY\nDOCKER_HOST\nDOCKER_CERT_PATH\nLAUNCHER_ACTIVE_DOCKERD\n" },
};

static void test_set(void)
{
  g_autoptr(json_t) variables =
      json_pack("{ss ss ss ss}", "DOCKER_TLS_VERIFY", "1", "DOCKER_HOST", "tcp://127.77.0.1:2376", "DOCKER_CERT_PATH",
                "/h/docker", "LAUNCHER_ACTIVE_DOCKERD", "one");
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = docker_env_set_text(rows[i].shell, variables, "launcher", "one");
    g_test_message("%s", rows[i].shell);
    g_assert_cmpstr(text, ==, rows[i].set);
  }
}

static void test_unset(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = docker_env_unset_text(rows[i].shell, "LAUNCHER", names);
    g_test_message("%s", rows[i].shell);
    g_assert_cmpstr(text, ==, rows[i].unset);
  }
}

/* A value the user had comes back, and its copy goes. */
static void test_restore(void)
{
  g_setenv("LAUNCHER_EXISTING_DOCKER_HOST", "unix:///mine", TRUE);
  g_autofree char *text = docker_env_unset_text("bash", "LAUNCHER", names);
  g_unsetenv("LAUNCHER_EXISTING_DOCKER_HOST");
  g_assert_cmpstr(text, ==,
                  "unset DOCKER_TLS_VERIFY;\nunset DOCKER_CERT_PATH;\nunset LAUNCHER_ACTIVE_DOCKERD;\n"
                  "unset LAUNCHER_EXISTING_DOCKER_HOST;\nexport DOCKER_HOST=\"unix:///mine\"\n");
}

/* What a shell would expand within quotes reaches it as it is. */
static void test_quoting(void)
{
  static const char *const expected[][2] = { { "bash", "export P=\"a b\\$(c)\\\\\\\"\\`\"\n" },
                                             { "fish", "set -gx P \"a b\\$(c)\\\\\\\"`\";\n" },
                                             { "powershell", "$Env:P = \"a b`$(c)\\`\"``\"\n" },
                                             { "emacs", "(setenv \"P\" \"a b$(c)\\\\\\\"`\")\n" } };
  g_autoptr(json_t) variables = json_pack("{ss}", "P", "a b$(c)\\\"`");
  for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
    g_autofree char *text = docker_env_set_text(expected[i][0], variables, "launcher", "one");
    g_assert_true(g_str_has_prefix(text, expected[i][1]));
  }
}

static void test_plain(void)
{
  g_assert_true(docker_env_is_plain("none"));
  g_assert_false(docker_env_is_plain("bash"));
  g_assert_false(docker_env_is_plain("nobody-knows-it"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/docker-env/set", test_set);
  g_test_add_func("/docker-env/unset", test_unset);
  g_test_add_func("/docker-env/restore", test_restore);
  g_test_add_func("/docker-env/quoting", test_quoting);
  g_test_add_func("/docker-env/plain", test_plain);
  return g_test_run();
}
