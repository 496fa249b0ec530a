#include "clusterd/node/transfer.h"

#include <limits.h>
#include <stdbool.h>

/* How the exchange went, once libcurl says so. False: it goes on. */
static bool take_result(CURLM *multi, CURLcode *code)
{
  const CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(multi, &left)))
    if (message->msg == CURLMSG_DONE) {
      *code = message->data.result;
      return true;
    }
  return false;
}

CURLcode transfer_perform(CURL *curl, int call_off_fd)
{
  CURLM *multi = curl_multi_init();
  struct curl_waitfd extra = { .fd = call_off_fd, .events = CURL_WAIT_POLLIN };
  CURLcode code = CURLE_FAILED_INIT;
  int running = 1;
  if (multi && curl_multi_add_handle(multi, curl) == CURLM_OK) {
    while (curl_multi_perform(multi, &running) == CURLM_OK && !take_result(multi, &code) && running) {
      /* libcurl's own timers cut this short */
      if (curl_multi_poll(multi, &extra, call_off_fd >= 0 ? 1 : 0, INT_MAX, NULL) != CURLM_OK)
        break;
      if (extra.revents) {
        code = CURLE_ABORTED_BY_CALLBACK;
        break;
      }
    }
    curl_multi_remove_handle(multi, curl);
  }
  curl_multi_cleanup(multi);
  return code;
}
