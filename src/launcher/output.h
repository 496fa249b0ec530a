#pragma once
/*
 * All that launcher says. Text for people: steps and notices as `* …` lines (with colour on a terminal), a progress bar
 * for downloads, warnings as `! …` and errors as `X …` on stderr. Or, with -o json, one CloudEvent a line on stdout, as
 * minikube writes them (specversion 1.0; all values are strings). Events also go to PROFILE/events.json.
 */
#include <glib.h>
#include <stdbool.h>

#include "bootstrap/progress.h"
#include "profile/home.h"

typedef struct Output Output;

Output *output_new(const Home *home);
void output_free(Output *output);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Output, output_free)

/* From now on events in JSON instead of text. */
void output_use_json(Output *output);

/* Also append events to this file (made anew); NULL: no longer. */
void output_record(Output *output, const char *path);

/* A step by its id in the table of minikube's steps (output.c): text "* TITLE", or a step event. Unknown ids only show
 * text. */
void output_step(Output *output, const char *id, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* A line of information ("* …"). */
void output_info(Output *output, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A warning ("! …" on stderr). */
void output_warning(Output *output, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The error a command ends with: "X Exiting due to ID: message" and advice on stderr, or an error event. */
void output_error(Output *output, const GError *error);

/* Steps, notices and downloads of long work end here. Borrowed from the output. */
Progress *output_progress(Output *output);
