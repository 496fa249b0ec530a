#include "launcher/output.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"

#define BAR_WIDTH 40
#define TOTAL_STEPS "19" /* minikube's number */

/* Our steps as minikube counts and names them; tools read the number and the name. */
typedef struct EventStep {
  const char *id, *number, *name;
} EventStep;

static const EventStep event_steps[] = {
  { "setup", "0", "Initial Minikube Setup" },
  { "driver", "1", "Selecting Driver" },
  { "image", "2", "Downloading Artifacts" },
  { "address", "3", "Starting Node" },
  { "certificates", "7", "Local OS Release" },
  { "machine", "9", "Creating VM" },
  { "boot", "13", "Booting control plane" },
  { "ready", "17", "Verifying Kubernetes" },
  { "addons", "18", "Enabling Addons" },
  { "done", "19", "Done" },
  { "stop", "0", "Stopping" },
  { "stopped", "1", "Done" },
  { "delete", "0", "Deleting" },
  { "deleted", "1", "Done" },
  { "pause", "0", "Pausing" },
  { "unpause", "0", "Unpausing" },
};

struct Output {
  Progress progress; /* first: the callbacks get it and mean us */
  const Home *home;
  bool json, colour, bar_shown;
  int record_fd;
};

static void progress_step(Progress *progress, const char *id, const char *title)
{
  output_step((Output *)progress, id, "%s", title);
}

static void progress_notice(Progress *progress, const char *text)
{
  output_info((Output *)progress, "%s", text);
}

static void progress_download(Progress *progress, const char *artifact, int64_t done, int64_t total);

Output *output_new(const Home *home)
{
  Output *output = g_new0(Output, 1);
  const char *term = g_getenv("TERM");
  output->progress = (Progress){ progress_step, progress_notice, progress_download };
  output->home = home;
  output->colour = isatty(STDOUT_FILENO) && !g_getenv("NO_COLOR") && g_strcmp0(term, "dumb") != 0;
  output->record_fd = -1;
  return output;
}

void output_free(Output *output)
{
  if (!output)
    return;
  file_close(&output->record_fd);
  g_free(output);
}

void output_use_json(Output *output)
{
  output->json = true;
}

void output_record(Output *output, const char *path)
{
  file_close(&output->record_fd);
  if (path)
    output->record_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

Progress *output_progress(Output *output)
{
  return &output->progress;
}

/* --- events ---------------------------------------------------------------------------------------------------------
 */

/* Writes one CloudEvent. Takes the reference to DATA. */
static void emit(Output *output, const char *type, json_t *data)
{
  g_autofree char *id = g_uuid_string_random();
  bool minikube = strcmp(output->home->program, "minikube") == 0;
  g_autofree char *full_type = g_strconcat(minikube ? "io.k8s.sigs.minikube." : "dev.launcher.", type, NULL);
  g_autoptr(json_t) event = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "specversion", "1.0", "id", id, "source",
                                      minikube ? "https://minikube.sigs.k8s.io/" : "https://launcher.dev/", "type",
                                      full_type, "datacontenttype", "application/json", "data", data);
  g_autofree char *text = json_text(event);
  g_autofree char *line = g_strconcat(text, "\n", NULL);
  if (output->record_fd >= 0)
    (void)!write(output->record_fd, line, strlen(line)); /* the record is a convenience */
  if (output->json) {
    fputs(line, stdout);
    fflush(stdout);
  }
}

static const EventStep *find_step(const char *id)
{
  for (size_t i = 0; i < G_N_ELEMENTS(event_steps); i++)
    if (strcmp(event_steps[i].id, id) == 0)
      return &event_steps[i];
  return NULL;
}

/* --- text -----------------------------------------------------------------------------------------------------------
 */

static void clear_bar(Output *output)
{
  if (output->bar_shown)
    fputs("\r\033[K", stdout);
  output->bar_shown = false;
}

static void say(Output *output, FILE *where, const char *mark, const char *colour, const char *text)
{
  clear_bar(output);
  if (output->colour)
    fprintf(where, "\033[%sm%s\033[0m %s\n", colour, mark, text);
  else
    fprintf(where, "%s %s\n", mark, text);
  fflush(where);
}

void output_step(Output *output, const char *id, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  const EventStep *step = find_step(id);
  if (step)
    emit(output, "step",
         json_pack("{s:s, s:s, s:s, s:s}", "currentstep", step->number, "totalsteps", TOTAL_STEPS, "name", step->name,
                   "message", text));
  if (!output->json)
    say(output, stdout, "*", "36", text);
}

void output_info(Output *output, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  emit(output, "info", json_pack("{s:s}", "message", text));
  if (!output->json)
    say(output, stdout, "*", "36", text);
}

void output_warning(Output *output, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  emit(output, "warning", json_pack("{s:s}", "message", text));
  if (!output->json)
    say(output, stderr, "!", "33", text);
}

void output_error(Output *output, const GError *error)
{
  const ReasonInfo *info = reason_info(reason_of(error));
  g_autofree char *code = g_strdup_printf("%d", info->exit_code);
  g_autofree char *text = g_strdup_printf("Exiting due to %s: %s", info->id, error->message);
  emit(output, "error",
       json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "advice", info->advice, "exitcode", code, "id", info->id,
                 "issues", "", "message", error->message, "name", info->id, "url", ""));
  if (output->json)
    return;
  say(output, stderr, "X", "31", text);
  if (*info->advice)
    say(output, stderr, "*", "36", info->advice);
}

static void progress_download(Progress *progress, const char *artifact, int64_t done, int64_t total)
{
  Output *output = (Output *)progress;
  if (output->json) {
    g_autofree char *fraction = g_strdup_printf("%.4f", total > 0 ? (double)done / (double)total : 0.0);
    emit(output, "download.progress", json_pack("{s:s, s:s}", "artifact", artifact, "progress", fraction));
    return;
  }
  if (!output->colour || total <= 0)
    return;
  int filled = (int)(done * BAR_WIDTH / total);
  g_autofree char *bar = g_strnfill(BAR_WIDTH, '-');
  memset(bar, '=', (size_t)CLAMP(filled, 0, BAR_WIDTH));
  printf("\r  [%s] %3d%%  %.1f of %.1f MB", bar, (int)(done * 100 / total), (double)done / 1e6, (double)total / 1e6);
  fflush(stdout);
  output->bar_shown = true;
}
