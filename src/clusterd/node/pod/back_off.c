#include "clusterd/node/pod/back_off.h"

#include <glib.h>

#define FIRST_US (10 * (int64_t)G_USEC_PER_SEC)
#define MOST_US (300 * (int64_t)G_USEC_PER_SEC)
#define FORGET_US (2 * MOST_US)

int64_t back_off_until(BackOff *back_off, int64_t failed_us)
{
  if (back_off->delay_us != 0 && failed_us - back_off->set_us > FORGET_US)
    back_off->delay_us = 0;
  return failed_us + back_off->delay_us;
}

void back_off_grow(BackOff *back_off, int64_t now_us)
{
  back_off->delay_us = back_off->delay_us == 0 ? FIRST_US : MIN(back_off->delay_us * 2, MOST_US);
  back_off->set_us = now_us;
}

char *back_off_text(const BackOff *back_off)
{
  int64_t seconds = back_off->delay_us / G_USEC_PER_SEC;
  if (seconds < 60)
    return g_strdup_printf("%" G_GINT64_FORMAT "s", seconds);
  return g_strdup_printf("%" G_GINT64_FORMAT "m%" G_GINT64_FORMAT "s", seconds / 60, seconds % 60);
}
