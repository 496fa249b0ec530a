/* launcher version */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "launcher/command.h"

static const char *const output_choices[] = { "text", "json", NULL };

static const Option options[] = {
  { "short", 0, OPTION_FLAG, NULL, NULL, NULL, "only the number" },
  { "output", 'o', OPTION_STRING, "FORMAT", "text", output_choices, "text or JSON" },
  { .name = NULL },
};

static int run(const Invocation *invocation, GError **error)
{
  const char *program = invocation->home->program;
  if (invocation_flag(invocation, "short")) {
    puts("v" PACKAGE_VERSION);
  } else if (strcmp(invocation_text(invocation, "output"), "json") == 0) {
    g_autofree char *name = g_strconcat(program, "Version", NULL);
    g_autoptr(json_t) value = json_pack("{s:s, s:s}", "commit", "", name, "v" PACKAGE_VERSION);
    g_autofree char *text = json_text(value);
    puts(text);
  } else {
    printf("%s version: v%s\n", program, PACKAGE_VERSION);
  }
  return 0;
}

const Command version_command = {
  .name = "version",
  .group = "Troubleshooting commands",
  .summary = "Print the version",
  .usage = "",
  .description = "",
  .options = options,
  .run = run,
};
