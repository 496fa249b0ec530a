/* The command line: the table is whole, options are parsed as minikube's are, and --help and the man page come from the
 * table. */
#include <glib/gstdio.h>
#include <string.h>

#include "base/reason.h"
#include "launcher/command.h"

static void check_options(const Option *options)
{
  for (; options && options->name; options++) {
    g_assert_nonnull(options->help);
    g_assert_cmpstr(options->help, !=, "");
    g_assert_true((options->type == OPTION_FLAG) == (options->value == NULL));
    for (const Option *other = options + 1; other->name; other++) {
      g_assert_cmpstr(other->name, !=, options->name);
      g_assert_true(!options->letter || options->letter != other->letter);
    }
  }
}

/* No row lacks a member, and no two rows have one name. */
static void test_table(void)
{
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  check_options(command_global_options());
  for (const Command *const *row = command_table(); *row; row++) {
    g_assert_true(g_hash_table_add(names, (gpointer)(uintptr_t)(*row)->name));
    g_assert_nonnull((*row)->summary);
    g_assert_nonnull((*row)->usage);
    g_assert_nonnull((*row)->description);
    g_assert_nonnull((*row)->run);
    g_assert_true((*row)->max_args < 0 || (*row)->min_args <= (*row)->max_args);
    check_options((*row)->options);
    g_assert_true(command_find((*row)->name) == *row);
  }
}

/* The order and the shape of --help: groups stand together, every option is named. */
static void test_help(void)
{
  g_autofree char *all = help_text(NULL, "launcher");
  g_autofree char *page = help_man_page("launcher");
  for (const Command *const *row = command_table(); *row; row++) {
    g_autofree char *text = help_text(*row, "launcher");
    g_autofree char *heading = g_strdup_printf(".SS \"launcher %s\"", (*row)->name);
    g_assert_true(((*row)->group != NULL) == (strstr(all, (*row)->summary) != NULL));
    g_assert_true(((*row)->group != NULL) == (strstr(page, heading) != NULL));
    for (const Option *option = (*row)->options; option && option->name; option++)
      g_assert_nonnull(strstr(text, option->name));
  }
}

typedef struct Parsed {
  Invocation invocation;
  Home *home;
  Output *output;
  bool help;
  GError *error;
} Parsed;

static Parsed parse(const char *line)
{
  Parsed parsed = { .home = home_new("launcher") };
  g_auto(GStrv) args = g_strsplit(line, " ", -1);
  g_auto(GStrv) none = g_new0(char *, 1);
  parsed.output = output_new(parsed.home);
  parsed.invocation.home = parsed.home;
  parsed.invocation.output = parsed.output;
  invocation_parse(&parsed.invocation, *line ? args : none, &parsed.help, &parsed.error);
  return parsed;
}

static void parsed_clear(Parsed *parsed)
{
  invocation_clear(&parsed->invocation);
  output_free(parsed->output);
  home_free(parsed->home);
  g_clear_error(&parsed->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Parsed, parsed_clear)

static void test_profile_anywhere(void)
{
  static const char *const lines[] = {
    "-p rajesh start",        "start -p rajesh", "--profile=rajesh start",
    "start --profile rajesh", "start -prajesh",  "start --cpus 2 --memory 4096 --disk-size 20000 -p rajesh"
  };
  for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
    g_auto(Parsed) parsed = parse(lines[i]);
    g_assert_no_error(parsed.error);
    g_assert_cmpstr(parsed.invocation.command->name, ==, "start");
    g_assert_cmpstr(parsed.invocation.profile, ==, "rajesh");
  }
}

static void test_values(void)
{
  int64_t number;
  g_auto(Parsed) parsed =
      parse("start --memory=4g --cpus 3 --wait-timeout 1h30m --apiserver-names a,b --apiserver-names c --force");
  g_assert_no_error(parsed.error);
  g_assert_true(invocation_integer(&parsed.invocation, "memory", &number, NULL));
  g_assert_cmpint(number, ==, 4096);
  g_assert_true(invocation_integer(&parsed.invocation, "wait-timeout", &number, NULL));
  g_assert_cmpint(number, ==, 5400000);
  g_auto(GStrv) names = invocation_list(&parsed.invocation, "apiserver-names");
  g_assert_cmpuint(g_strv_length(names), ==, 3);
  g_assert_true(invocation_flag(&parsed.invocation, "force"));
  g_assert_true(invocation_flag(&parsed.invocation, "preload"));
  g_assert_false(invocation_flag(&parsed.invocation, "dry-run"));
}

static void test_refusals(void)
{
  static const char *const lines[] = { "frobnicate",
                                       "start --frobnicate",
                                       "start -Z",
                                       "start --memory",
                                       "start --memory lots",
                                       "start --cpus two",
                                       "start extra",
                                       "start --dry-run=maybe",
                                       "status -o xml",
                                       "start -p a/b",
                                       "image",
                                       "start --wait-timeout 5x",
                                       "start --wait-timeout 5" };
  for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
    g_auto(Parsed) parsed = parse(lines[i]);
    g_test_message("%s", lines[i]);
    g_assert_error(parsed.error, LAUNCHER_ERROR, REASON_USAGE);
    g_assert_cmpint(reason_info(parsed.error->code)->exit_code, ==, 14);
  }
}

/* What follows the first word of ssh, or --, is the remote command's. */
static void test_pass_through(void)
{
  g_auto(Parsed) ssh = parse("ssh -p one ls -la /tmp -p");
  g_assert_no_error(ssh.error);
  g_assert_cmpint(ssh.invocation.n_args, ==, 4);
  g_assert_cmpstr(ssh.invocation.args[1], ==, "-la");
  g_assert_cmpstr(ssh.invocation.profile, ==, "one");
  g_auto(Parsed) kubectl = parse("kubectl -p one -- get pods -A");
  g_assert_no_error(kubectl.error);
  g_assert_cmpint(kubectl.invocation.n_args, ==, 3);
  g_assert_cmpstr(kubectl.invocation.args[2], ==, "-A");
}

static void test_no_arguments(void)
{
  g_auto(Parsed) parsed = parse("");
  g_assert_no_error(parsed.error);
  g_assert_null(parsed.invocation.command);
  g_auto(Parsed) help = parse("start --help");
  g_assert_true(help.help);
}

static void test_environment(void)
{
  g_setenv("LAUNCHER_DISK_SIZE", "7000", TRUE);
  g_auto(Parsed) parsed = parse("start");
  int64_t number;
  g_assert_true(invocation_integer_setting(&parsed.invocation, "disk-size", &number, NULL));
  g_assert_cmpint(number, ==, 7000);
  g_auto(Parsed) flag = parse("start --disk-size 8000");
  g_assert_true(invocation_integer_setting(&flag.invocation, "disk-size", &number, NULL));
  g_assert_cmpint(number, ==, 8000);
  g_unsetenv("LAUNCHER_DISK_SIZE");
}

int main(int argc, char **argv)
{
  g_autofree char *home = g_dir_make_tmp("launcher-test-XXXXXX", NULL);
  g_setenv("LAUNCHER_HOME", home, TRUE);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/command/table", test_table);
  g_test_add_func("/command/help", test_help);
  g_test_add_func("/options/profile", test_profile_anywhere);
  g_test_add_func("/options/values", test_values);
  g_test_add_func("/options/refusals", test_refusals);
  g_test_add_func("/options/pass-through", test_pass_through);
  g_test_add_func("/options/none", test_no_arguments);
  g_test_add_func("/options/environment", test_environment);
  int code = g_test_run();
  g_rmdir(home);
  return code;
}
