#pragma once
/* One log for both programs: GLib's g_debug/g_info/g_message/g_warning/g_critical, with G_LOG_DOMAIN naming the
 * room, end here. One line a message on stderr: time, level letter, room, text. */
#include <glib.h>

/* Installs the writer. LEVEL: 0 warnings and worse, 1 also messages, 2 also info, 3 also debug. Call once, before
 * other threads start. */
void log_setup(int level);
