/* Messages from etcd, with their framing: whatever comes, the buffer is read up to its end and no further. */
#include "clusterd/store/etcd.pb-c.h"
#include "clusterd/store/etcd_call.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const uint8_t *data, size_t size, const ProtobufCMessageDescriptor *type)
{
  g_autoptr(GByteArray) buffer = g_byte_array_new();
  g_byte_array_append(buffer, data, (guint)size);
  for (;;) {
    void *message = NULL;
    guint before = buffer->len;
    int whole = etcd_unframe(buffer, type, &message, NULL);
    if (whole <= 0)
      return;
    if (!message || buffer->len >= before)
      g_error("a message was taken that is none");
    protobuf_c_message_free_unpacked(message, NULL);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  read_all(data, size, &etcd__watch_response__descriptor);
  read_all(data, size, &etcd__txn_response__descriptor);
  read_all(data, size, &etcd__range_response__descriptor);
  return 0;
}
