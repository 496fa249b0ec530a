#include "clusterd/command_line.h"

#include <getopt.h>
#include <stdint.h>

#include "base/reason.h"
#include "clusterd/options.h"

#define FIRST_ROW 256 /* getopt's number of the table's first row: above all characters */
#define ROWS_MAX 128

typedef struct Parser {
  GPtrArray *problems; /* char * */
  struct {
    const Option *option;
    const char *text;
  } given[ROWS_MAX];
  int n_given;
  const char *config_file;
  CommandLine *line;
} Parser;

/* The table as getopt wants it; LONGS has room for ROWS_MAX. */
static void make_longs(struct option *longs)
{
  int count = 0;
  for (int row = 0; option_table[row].name || option_table[row].member; row++) {
    const Option *option = &option_table[row];
    if (!option->name)
      continue;
    g_assert(count < ROWS_MAX - 1);
    longs[count++] = (struct option){ .name = option->name,
                                      .has_arg = option->argument              ? required_argument
                                                 : option->type == OPTION_FLAG ? optional_argument
                                                                               : no_argument,
                                      .val = FIRST_ROW + row };
  }
  longs[count] = (struct option){ 0 };
}

static void act(Parser *parser, const Option *option)
{
  if (g_str_equal(option->name, "verbose"))
    parser->line->verbosity++;
  else
    parser->line->action = g_str_equal(option->name, "help") ? COMMAND_LINE_HELP : COMMAND_LINE_VERSION;
}

static void take(Parser *parser, const Option *option, const char *text)
{
  if (option->type == OPTION_ACTION) {
    act(parser, option);
  } else if (parser->n_given == ROWS_MAX) {
    g_ptr_array_add(parser->problems, g_strdup_printf("more than %d options", ROWS_MAX));
  } else {
    if (g_str_equal(option->name, "config"))
      parser->config_file = text;
    parser->given[parser->n_given].option = option;
    parser->given[parser->n_given++].text = text ? text : "";
  }
}

static void scan(Parser *parser, int argc, char **argv)
{
  struct option longs[ROWS_MAX];
  int number;
  make_longs(longs);
  opterr = 0;
  while ((number = getopt_long(argc, argv, ":v", longs, NULL)) >= 0) {
    if (number == 'v')
      parser->line->verbosity++;
    else if (number == ':')
      g_ptr_array_add(parser->problems, g_strdup_printf("%s needs a value", argv[optind - 1]));
    else if (number == '?')
      g_ptr_array_add(parser->problems, g_strdup_printf("unknown option %s", argv[optind - 1]));
    else
      take(parser, &option_table[number - FIRST_ROW], optarg);
  }
  for (; optind < argc; optind++)
    g_ptr_array_add(parser->problems, g_strdup_printf("unexpected argument \"%s\"", argv[optind]));
}

/* A list given several times adds up, but the first replaces what was there by default or in cluster.json. */
static bool is_first(const Parser *parser, int index)
{
  for (int i = 0; i < index; i++)
    if (parser->given[i].option == parser->given[index].option)
      return false;
  return true;
}

static void apply(Parser *parser)
{
  ClusterConfig *config = parser->line->config;
  if (parser->config_file)
    cluster_config_load(config, parser->config_file, parser->problems);
  for (int i = 0; i < parser->n_given; i++) {
    const Option *option = parser->given[i].option;
    g_autofree char *problem = option_set(option, config, parser->given[i].text, is_first(parser, i));
    if (problem)
      g_ptr_array_add(parser->problems, g_strdup_printf("--%s: %s", option->name, problem));
  }
  if (!config->config_file && !config->no_node && parser->problems->len == 0)
    g_ptr_array_add(parser->problems, g_strdup("--config or --no-node must be given"));
  cluster_config_complete(config, parser->problems);
}

bool command_line_read(CommandLine *line, int argc, char **argv, GError **error)
{
  g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
  Parser parser = { .problems = problems, .line = line };
  line->config = cluster_config_new();
  scan(&parser, argc, argv);
  if (line->action != COMMAND_LINE_RUN && problems->len == 0)
    return true;
  apply(&parser);
  if (problems->len == 0)
    return true;
  g_ptr_array_add(problems, NULL);
  g_autofree char *text = g_strjoinv("\n", (char **)problems->pdata);
  return reason_set(error, REASON_USAGE, "%s", text);
}
