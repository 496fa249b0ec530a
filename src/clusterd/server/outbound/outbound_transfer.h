#pragma once
/* One transfer of libcurl's on the outbound thread. Internal to outbound*.c and relay.c. */
#include <curl/curl.h>

#include "clusterd/server/outbound/outbound.h"

typedef struct OutboundTransfer OutboundTransfer;
struct OutboundTransfer {
  CURL *easy;    /* made by outbound_start's caller with outbound_easy_new; freed before DONE is called */
  char *address; /* where it connects to, for error texts */
  struct curl_slist *connect_to;
  long status; /* of the reply, when done; 0: none */
  char error[CURL_ERROR_SIZE];
  /* On the outbound thread, once. TEXT is NULL when the transfer came to its end, else why not, in upstream's words. */
  void (*done)(OutboundTransfer *transfer, CURLcode code, const char *text);
};

/* Sets TRANSFER up for TARGET (copied). NULL when libcurl cannot. */
CURL *outbound_easy_new(OutboundTransfer *transfer, const OutboundTarget *target);
/* Frees what outbound_easy_new made; for a transfer that was not started. */
void outbound_transfer_clear(OutboundTransfer *transfer);
/* Starts TRANSFER, which stays its caller's and must live until DONE. False, without DONE, when closed. */
bool outbound_start(Outbound *outbound, OutboundTransfer *transfer);
/* Runs FUNCTION(DATA) on the outbound thread, after all that was asked before; also when closed. */
void outbound_run(Outbound *outbound, void (*function)(void *data), void *data);
/* On the outbound thread: ends TRANSFER now (its DONE runs). Nothing when it has ended. */
void outbound_cancel(Outbound *outbound, OutboundTransfer *transfer);
/* In upstream's words why TRANSFER failed. The caller frees. */
char *outbound_failure(const OutboundTransfer *transfer, CURLcode code);
