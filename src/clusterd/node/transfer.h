#pragma once
/* HTTP exchanges that can be called off. */
#include <curl/curl.h>

/* curl_easy_perform that ends with CURLE_ABORTED_BY_CALLBACK once CALL_OFF_FD (-1: none) is readable. */
CURLcode transfer_perform(CURL *curl, int call_off_fd);
