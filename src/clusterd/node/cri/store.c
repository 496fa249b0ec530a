#include "clusterd/node/cri/store.h"

#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/snapshots.h"
#include "clusterd/node/images/image_reference.h"

#define MESSAGE_BYTES (1u << 20) /* of a blob in one message; containerd takes 16 MiB */
#define BLOB_MAX (INT64_C(64) << 30)
#define TRANSFER_MS (INT64_C(3600) * 1000)
#define NAMELESS "launcher.local/import"
#define SEEN_MS 20000 /* what the CRI's side may take to see an image */
#define REFERENCE_LABEL "containerd.io/gc.ref.content.%u"
#define SNAPSHOT_LABEL "containerd.io/gc.ref.snapshot.%s"

struct StoreLease {
  CriRuntime *cri;
  char *id, *header;
};

/* What a blob keeps from being taken away, as long as it is there itself. */
typedef struct Needs {
  const GPtrArray *children;     /* digests (char*); may be NULL */
  const char *driver, *chain_id; /* a snapshot; NULL: none */
} Needs;

/* One blob on its way. */
typedef struct Write {
  StoreRead read;
  void *data;
  const char *expected, *reference;
  const Needs *needs;
  GChecksum *sum;
  int64_t size;
  bool committed;
  GError *failure; /* of READ */
} Write;

static void exchange(StoreLease *lease, const char *method, const void *request, GrpcAnswer *answer)
{
  bool is_long = g_str_has_suffix(method, "/Apply"); /* unpacks a layer, as large as it may be */
  const char *const headers[] = { "containerd-namespace: k8s.io", lease->header, NULL };
  g_autofree char *path = g_strconcat("/containerd.services.", method, NULL);
  g_autoptr(GByteArray) packed = cri_pack(request);
  const GrpcCall one = { .method = path,
                         .headers = headers,
                         .request = packed->data,
                         .length = packed->len,
                         .timeout_ms = is_long ? TRANSFER_MS : CRI_CALL_MS,
                         .reply_max = CRI_REPLY_MAX,
                         .may_be_called_off = is_long };
  grpc_call(lease->cri->channel, &one, answer);
}

bool store_order(StoreLease *lease, const char *method, const void *request, GError **error)
{
  g_auto(GrpcAnswer) answer = { 0 };
  exchange(lease, method, request, &answer);
  return answer.status == GRPC_OK || grpc_answer_error(&answer, error);
}

void *store_ask(StoreLease *lease, const char *method, const void *request, const ProtobufCMessageDescriptor *reply,
                GError **error)
{
  g_auto(GrpcAnswer) answer = { 0 };
  exchange(lease, method, request, &answer);
  if (answer.status != GRPC_OK) {
    grpc_answer_error(&answer, error);
    return NULL;
  }
  gsize length = 0;
  const void *bytes = answer.reply ? g_bytes_get_data(answer.reply, &length) : NULL;
  void *message = answer.reply ? protobuf_c_message_unpack(reply, NULL, length, bytes) : NULL;
  if (!message)
    reason_set(error, REASON_RUNTIME, "containerd: %s answered with what is no %s", method, reply->name);
  return message;
}

StoreLease *store_lease_new(CriRuntime *cri, GError **error)
{
  StoreLease *lease = g_new0(StoreLease, 1);
  Containerd__LeaseRequest request;
  containerd__lease_request__init(&request);
  Containerd__Entry expiry;
  containerd__entry__init(&expiry);
  Containerd__Entry *labels[] = { &expiry };
  g_autoptr(GDateTime) now = g_date_time_new_now_utc(), later = g_date_time_add_hours(now, 24);
  g_autofree char *until = g_date_time_format(later, "%Y-%m-%dT%H:%M:%SZ");
  g_autofree char *random = g_uuid_string_random();
  lease->cri = cri;
  lease->id = g_strconcat("launcher-", random, NULL);
  request.id = lease->id;
  expiry.key = (char *)(uintptr_t) "containerd.io/gc.expire"; /* should this program not live to end it */
  expiry.value = until;
  request.labels = labels;
  request.n_labels = G_N_ELEMENTS(labels);
  if (store_order(lease, "leases.v1.Leases/Create", &request, error)) {
    lease->header = g_strconcat("containerd-lease: ", lease->id, NULL);
    return lease;
  }
  g_free(lease->id);
  g_free(lease);
  return NULL;
}

void store_lease_free(StoreLease *lease)
{
  if (!lease)
    return;
  Containerd__LeaseRequest request;
  containerd__lease_request__init(&request);
  g_autoptr(GError) error = NULL;
  request.id = lease->id;
  g_clear_pointer(&lease->header, g_free);
  if (!store_order(lease, "leases.v1.Leases/Delete", &request, &error))
    g_info("containerd: %s", error->message);
  g_free(lease->id);
  g_free(lease);
}

void store_blob_free(StoreBlob *blob)
{
  if (blob)
    g_free(blob->digest);
  g_free(blob);
}

/* Takes KEY. */
static void add_label(CriArena *arena, Containerd__WriteContentRequest *request, char *key, const char *value)
{
  Containerd__Entry *entry = cri_arena_alloc(arena, sizeof *entry);
  containerd__entry__init(entry);
  entry->key = cri_arena_take(arena, key);
  entry->value = cri_arena_text(arena, value);
  request->labels[request->n_labels++] = entry;
}

static void set_labels(CriArena *arena, Containerd__WriteContentRequest *request, const Needs *needs)
{
  guint count = needs->children ? needs->children->len : 0;
  request->labels = cri_arena_alloc(arena, (count + 1) * sizeof *request->labels);
  for (guint i = 0; i < count; i++)
    add_label(arena, request, g_strdup_printf(REFERENCE_LABEL, i), needs->children->pdata[i]);
  if (needs->driver)
    add_label(arena, request, g_strdup_printf(SNAPSHOT_LABEL, needs->driver), needs->chain_id);
}

/* Collects up to MESSAGE_BYTES of the blob; 0 at its end, -1 with WRITE.failure. */
static ssize_t next_piece(Write *write, GByteArray *piece)
{
  ssize_t got = 1;
  while (got > 0 && piece->len < MESSAGE_BYTES) {
    const void *block;
    got = write->read(write->data, &block, &write->failure);
    if (got > 0)
      g_byte_array_append(piece, block, (guint)got);
  }
  if (got >= 0 && write->size + piece->len > BLOB_MAX) {
    reason_set(&write->failure, REASON_BAD_REQUEST, "Malformed image archive: a layer is too large");
    return -1;
  }
  return got < 0 ? -1 : (ssize_t)piece->len;
}

/* The blob's pieces, then what makes it one. A blob that cannot be read to its end ends without that. */
static bool next_message(GByteArray *message, void *data)
{
  Write *write = data;
  g_autoptr(GPtrArray) arena = cri_arena_new();
  g_autoptr(GByteArray) piece = g_byte_array_new();
  Containerd__WriteContentRequest request;
  containerd__write_content_request__init(&request);
  if (write->committed || next_piece(write, piece) < 0)
    return false;
  request.action = piece->len > 0 ? CONTAINERD__WRITE_ACTION__WRITE : CONTAINERD__WRITE_ACTION__COMMIT;
  request.ref = (char *)(uintptr_t)write->reference;
  request.offset = write->size;
  request.data = (ProtobufCBinaryData){ .len = piece->len, .data = piece->data };
  write->committed = piece->len == 0;
  if (write->size == 0 || write->committed) /* the first time, for containerd to say that it has it */
    request.expected = cri_arena_text(arena, write->expected);
  if (write->committed) {
    request.total = write->size;
    set_labels(arena, &request, write->needs);
  }
  g_checksum_update(write->sum, piece->data, piece->len);
  write->size += piece->len;
  g_byte_array_set_size(message, (guint)containerd__write_content_request__get_packed_size(&request));
  containerd__write_content_request__pack(&request, message->data);
  return true;
}

static bool transfer(StoreLease *lease, Write *write, GError **error)
{
  const char *const headers[] = { "containerd-namespace: k8s.io", lease->header, NULL };
  g_auto(GrpcAnswer) answer = { 0 };
  const GrpcCall one = { .method = "/containerd.services.content.v1.Content/Write",
                         .headers = headers,
                         .source = next_message,
                         .data = write,
                         .timeout_ms = TRANSFER_MS,
                         .reply_max = CRI_REPLY_MAX,
                         .may_be_called_off = true };
  grpc_call(lease->cri->channel, &one, &answer);
  if (write->failure) {
    g_propagate_error(error, g_steal_pointer(&write->failure));
    return false;
  }
  return answer.status == GRPC_OK || answer.status == GRPC_ALREADY_EXISTS || grpc_answer_error(&answer, error);
}

static StoreBlob *write_blob(StoreLease *lease, const char *expected, StoreRead read, void *data, const Needs *needs,
                             GError **error)
{
  g_autofree char *random = g_uuid_string_random(), *reference = g_strconcat("launcher-", random, NULL);
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  Write write = {
    .read = read, .data = data, .expected = expected, .reference = reference, .needs = needs, .sum = sum
  };
  if (!transfer(lease, &write, error))
    return NULL;
  /* containerd stops listening at once when it has the blob already: then it is as large as it says */
  g_autoptr(StoreBlob) blob = g_new0(StoreBlob, 1);
  const void *block;
  ssize_t got;
  while (!write.committed && (got = read(data, &block, error)) > 0) {
    g_checksum_update(sum, block, got);
    write.size += got;
  }
  blob->digest = g_strconcat("sha256:", g_checksum_get_string(sum), NULL);
  blob->size = write.size;
  return g_steal_pointer(&blob);
}

StoreBlob *store_write(StoreLease *lease, const char *expected, StoreRead read, void *data, GError **error)
{
  const Needs nothing = { 0 };
  return write_blob(lease, expected, read, data, &nothing, error);
}

typedef struct Memory {
  const void *bytes;
  size_t length;
} Memory;

static ssize_t read_memory(void *data, const void **block, GError **error)
{
  Memory *memory = data;
  *block = memory->bytes;
  ssize_t length = (ssize_t)memory->length;
  memory->length = 0;
  return length;
}

static StoreBlob *write_bytes(StoreLease *lease, const void *bytes, size_t length, const Needs *needs, GError **error)
{
  Memory memory = { bytes, length };
  g_autofree char *hex = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, length);
  g_autofree char *digest = g_strconcat("sha256:", hex, NULL);
  return write_blob(lease, digest, read_memory, &memory, needs, error);
}

StoreBlob *store_write_bytes(StoreLease *lease, const void *bytes, size_t length, const GPtrArray *children,
                             GError **error)
{
  const Needs needs = { .children = children };
  return write_bytes(lease, bytes, length, &needs, error);
}

bool store_name(StoreLease *lease, const char *name, const char *media_type, const StoreBlob *blob, GError **error)
{
  Containerd__ImageRequest request;
  containerd__image_request__init(&request);
  Containerd__Image image;
  containerd__image__init(&image);
  Containerd__Descriptor target;
  containerd__descriptor__init(&target);
  g_autofree char *own_name = g_strdup(name), *type = g_strdup(media_type);
  target.media_type = type;
  target.digest = blob->digest;
  target.size = blob->size;
  image.name = own_name;
  image.target = &target;
  request.image = &image;
  g_autoptr(GError) failure = NULL;
  if (store_order(lease, "images.v1.Images/Create", &request, &failure))
    return true;
  if (reason_is(failure, REASON_CONFLICT))
    return store_order(lease, "images.v1.Images/Update", &request, error);
  g_propagate_error(error, g_steal_pointer(&failure));
  return false;
}

json_t *store_descriptor(const char *media_type, const StoreBlob *blob)
{
  return json_pack("{s:s, s:s, s:I}", "mediaType", media_type, "digest", blob->digest, "size", (json_int_t)blob->size);
}

/* Waits until the CRI, which hears of it from containerd, knows NAME as the image with the configuration ID. */
static bool wait_seen(CriRuntime *cri, const char *name, const char *id, GError **error)
{
  for (unsigned waited_ms = 0, pause_ms = 2; waited_ms < SEEN_MS; pause_ms = MIN(pause_ms * 2, 200)) {
    if (cri_image_is(cri, name, id))
      return true;
    g_usleep(pause_ms * 1000);
    waited_ms += pause_ms;
  }
  return reason_set(error, REASON_RUNTIME, "containerd does not take up the image %s", name);
}

/* Unpacked as after a pull. All the manifest needs hangs on it from here on. */
static StoreBlob *write_manifest(StoreLease *lease, const StoreImage *image, GError **error)
{
  g_autoptr(GPtrArray) children = g_ptr_array_new();
  gsize length;
  const void *text = g_bytes_get_data(image->manifest, &length);
  g_autoptr(json_t) manifest = json_parse(text, length, true, error);
  g_autofree char *driver = snapshots_driver(lease->cri);
  g_autofree char *chain_id = manifest && driver ? snapshots_unpack(lease, driver, manifest, error) : NULL;
  if (!manifest || (driver && !chain_id))
    return NULL;
  g_ptr_array_add(children, image->config->digest);
  for (guint i = 0; i < image->layers->len; i++)
    g_ptr_array_add(children, image->layers->pdata[i]);
  const Needs needs = { children, chain_id && *chain_id ? driver : NULL, chain_id };
  return write_bytes(lease, text, length, &needs, error);
}

bool store_publish(StoreLease *lease, const StoreImage *image, json_t *loaded, GError **error)
{
  g_autoptr(StoreBlob) manifest = write_manifest(lease, image, error);
  if (!manifest)
    return false;
  g_autofree char *nameless = image->names->len == 0 ? g_strconcat(NAMELESS "@", manifest->digest, NULL) : NULL;
  for (guint i = 0; i < MAX(image->names->len, 1); i++) {
    const char *name = nameless ? nameless : image->names->pdata[i], *shown = nameless ? image->config->digest : name;
    if (!store_name(lease, name, STORE_OCI "manifest.v1+json", manifest, error) ||
        !wait_seen(lease->cri, shown, image->config->digest, error))
      return false;
    if (loaded)
      json_array_append_new(loaded, json_string(shown));
  }
  return true;
}
