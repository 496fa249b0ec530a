#include "clusterd/dns/batch.h"

#include <errno.h>
#include <glib.h>
#include <sys/socket.h>

#include "clusterd/dns/question.h"

#define QUERY_MAX 4096 /* bytes of one; the rest is cut off, and what is left is malformed */

struct Batch {
  struct mmsghdr received[BATCH_MAX], sent[BATCH_MAX];
  struct iovec in[BATCH_MAX], out[BATCH_MAX];
  struct sockaddr_in from[BATCH_MAX];
  uint8_t query[BATCH_MAX][QUERY_MAX], answer[BATCH_MAX][UDP_SIZE_MAX];
};

Batch *batch_new(void)
{
  Batch *batch = g_new0(Batch, 1);
  for (unsigned i = 0; i < BATCH_MAX; i++) {
    batch->in[i] = (struct iovec){ batch->query[i], QUERY_MAX };
    batch->received[i].msg_hdr =
        (struct msghdr){ .msg_name = &batch->from[i], .msg_iov = &batch->in[i], .msg_iovlen = 1 };
  }
  return batch;
}

void batch_free(Batch *batch)
{
  g_free(batch);
}

/* One that cannot be sent is dropped, as the network may do. */
static void send_all(Batch *batch, int fd, unsigned count)
{
  for (unsigned at = 0; at < count;) {
    int n = sendmmsg(fd, batch->sent + at, count - at, MSG_NOSIGNAL);
    if (n < 0)
      g_debug("UDP answer: %s", g_strerror(errno));
    at += n > 0 ? (unsigned)n : 1;
  }
}

void batch_run(Batch *batch, int fd, BatchHandler handler, void *data)
{
  unsigned count = 0;
  for (unsigned i = 0; i < BATCH_MAX; i++)
    batch->received[i].msg_hdr.msg_namelen = sizeof batch->from[i];
  int n = recvmmsg(fd, batch->received, BATCH_MAX, MSG_DONTWAIT, NULL);
  for (int i = 0; i < n; i++) {
    size_t length = handler(batch->query[i], batch->received[i].msg_len, &batch->from[i], batch->answer[count], data);
    if (length == 0)
      continue;
    batch->out[count] = (struct iovec){ batch->answer[count], length };
    batch->sent[count].msg_hdr = (struct msghdr){
      .msg_name = &batch->from[i], .msg_namelen = sizeof batch->from[i], .msg_iov = &batch->out[count], .msg_iovlen = 1
    };
    count++;
  }
  send_all(batch, fd, count);
}
