/* Questions read from bytes, answers written to them, and the cache between. */
#include <glib.h>
#include <ldns/ldns.h>
#include <string.h>

#include "clusterd/dns/cache.h"
#include "clusterd/dns/exchange.h"
#include "clusterd/dns/resolver.h"

/* A query of one name with what else a test wants. */
static size_t make_query(uint8_t *out, const char *name, uint16_t type, uint16_t flags)
{
  uint8_t wire[NAME_WIRE_MAX];
  size_t length = name_from_text(name, wire), at = MESSAGE_HEADER_SIZE;
  memset(out, 0, MESSAGE_HEADER_SIZE);
  message_put_u16(out, 0x1234);
  message_put_u16(out + 2, flags);
  message_put_u16(out + 4, 1);
  memcpy(out + at, wire, length);
  message_put_u16(out + at + length, type);
  message_put_u16(out + at + length + 2, LDNS_RR_CLASS_IN);
  return at + length + 4;
}

static size_t add_opt(uint8_t *out, size_t length, uint16_t size, uint8_t version, uint16_t padding)
{
  uint8_t opt[OPT_SIZE] = { 0, 0, TYPE_OPT, (uint8_t)(size >> 8), (uint8_t)size, 0, version, 0x80, 0 };
  message_put_u16(out + 10, (uint16_t)(message_u16(out + 10) + 1));
  message_put_u16(opt + 9, padding > 0 ? (uint16_t)(padding + 4) : 0);
  memcpy(out + length, opt, sizeof opt);
  length += sizeof opt;
  if (padding == 0)
    return length;
  message_put_u16(out + length, 12); /* RFC 7830 */
  message_put_u16(out + length + 2, padding);
  memset(out + length + 4, 0, padding);
  return length + 4 + padding;
}

static Question read_query(const char *name, uint16_t type)
{
  Question question;
  uint8_t wire[512];
  g_assert_cmpint(question_read(&question, wire, make_query(wire, name, type, FLAG_RD)), ==, 0);
  return question;
}

static void test_question(void)
{
  uint8_t wire[512];
  Question question;
  size_t length = make_query(wire, "web.default", LDNS_RR_TYPE_AAAA, FLAG_RD);
  wire[13] = 'W';
  g_assert_cmpint(question_read(&question, wire, length), ==, 0);
  g_assert_cmpmem(question.name, question.name_length, "\3web\7default", 13);
  g_assert_cmpmem(question.asked, question.name_length, "\3Web\7default", 13);
  g_assert_cmpuint(question.type, ==, LDNS_RR_TYPE_AAAA);
  g_assert_cmpuint(question_udp_limit(&question), ==, 512);
  g_assert_false(question.edns);
  length = add_opt(wire, length, 800, 0, 100);
  g_assert_cmpint(question_read(&question, wire, length), ==, 0);
  g_assert_true(question.edns && question.dnssec_ok);
  g_assert_cmpuint(question_udp_limit(&question), ==, 800);
  static const struct {
    uint16_t said, limit;
  } sizes[] = { { 0, 512 }, { 100, 512 }, { 1232, 1232 }, { 65535, 1232 } };
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    length = add_opt(wire, make_query(wire, "a", 1, 0), sizes[i].said, 0, 0);
    g_assert_cmpint(question_read(&question, wire, length), ==, 0);
    g_assert_cmpuint(question_udp_limit(&question), ==, sizes[i].limit);
  }
}

static void test_refusals(void)
{
  static const struct {
    unsigned at; /* the byte that is changed */
    uint8_t value;
    int rcode;
  } rows[] = {
    { 2, 0x80, QUESTION_DROP },       /* an answer */
    { 2, 0x10, LDNS_RCODE_NOTIMPL },  /* STATUS */
    { 2, 0x20, LDNS_RCODE_NOTIMPL },  /* NOTIFY */
    { 2, 0x28, LDNS_RCODE_NOTIMPL },  /* UPDATE */
    { 5, 0, LDNS_RCODE_FORMERR },     /* no question */
    { 5, 2, LDNS_RCODE_FORMERR },     /* two */
    { 7, 2, LDNS_RCODE_FORMERR },     /* answers */
    { 7, 1, LDNS_RCODE_FORMERR },     /* one that is not there */
    { 11, 3, LDNS_RCODE_FORMERR },    /* too many additional records */
    { 12, 64, LDNS_RCODE_FORMERR },   /* a label too long */
    { 12, 0xc0, LDNS_RCODE_FORMERR }, /* compressed */
    { 12, 40, LDNS_RCODE_FORMERR },   /* past the end */
    { 18, LDNS_RR_CLASS_CH, LDNS_RCODE_REFUSED },
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    uint8_t wire[512], out[UDP_SIZE_PLAIN];
    Question question;
    size_t length = make_query(wire, "a.", LDNS_RR_TYPE_A, FLAG_RD);
    g_assert_cmpuint(length, ==, 19);
    wire[rows[i].at] = rows[i].value;
    g_test_message("%u: %u", rows[i].at, rows[i].value);
    g_assert_cmpint(question_read(&question, wire, length), ==, rows[i].rcode);
    if (rows[i].rcode == QUESTION_DROP)
      continue;
    size_t size = answer_refuse(&question, (uint8_t)rows[i].rcode, out);
    g_assert_cmpuint(message_u16(out), ==, 0x1234);
    g_assert_cmpuint(out[3] & 15, ==, rows[i].rcode);
    g_assert_cmpuint(out[2] & 0xf8, ==, 0x80 | (wire[2] & 0x78));
    g_assert_cmpuint(message_u16(out + 4), ==, size > MESSAGE_HEADER_SIZE);
  }
  /* Every beginning of a good query is refused or dropped. */
  uint8_t wire[512];
  Question question;
  size_t length = add_opt(wire, make_query(wire, "web.default.svc.cluster.local", 1, 0), 1232, 0, 8);
  for (size_t i = 0; i < length; i++)
    g_assert_cmpint(question_read(&question, wire, i), ==, i < 12 ? QUESTION_DROP : LDNS_RCODE_FORMERR);
}

static void test_long_names(void)
{
  uint8_t wire[512] = { 0x12, 0x34, 1, 0, 0, 1 };
  Question question;
  size_t at = MESSAGE_HEADER_SIZE;
  for (unsigned i = 0; i < 127; i++, at += 2)
    wire[at] = 1, wire[at + 1] = 'a';
  wire[at] = 0;
  message_put_u16(wire + at + 1, LDNS_RR_TYPE_A);
  message_put_u16(wire + at + 3, LDNS_RR_CLASS_IN);
  g_assert_cmpint(question_read(&question, wire, at + 5), ==, 0);
  g_assert_cmpuint(question.name_length, ==, 255);
  wire[at] = 1;
  wire[at + 1] = 'a';
  wire[at + 2] = 0; /* 257 bytes */
  g_assert_cmpint(question_read(&question, wire, at + 7), ==, LDNS_RCODE_FORMERR);
}

static void test_edns(void)
{
  uint8_t wire[512], out[UDP_SIZE_PLAIN];
  Question question;
  size_t length = add_opt(wire, make_query(wire, "a.", 1, 0), 1232, 1, 0);
  g_assert_cmpint(question_read(&question, wire, length), ==, RCODE_BADVERS);
  ldns_pkt *packet = NULL;
  g_assert_cmpint(ldns_wire2pkt(&packet, out, answer_refuse(&question, RCODE_BADVERS, out)), ==, LDNS_STATUS_OK);
  g_assert_true(ldns_pkt_edns(packet));
  g_assert_cmpuint(ldns_pkt_edns_version(packet), ==, 0);
  g_assert_cmpuint(ldns_pkt_edns_extended_rcode(packet), ==, 1);
  g_assert_cmpuint(ldns_pkt_get_rcode(packet), ==, 0);
  g_assert_cmpuint(ldns_pkt_edns_udp_size(packet), ==, 1232);
  ldns_pkt_free(packet);
  /* two of them */
  length = add_opt(wire, add_opt(wire, make_query(wire, "a.", 1, 0), 1232, 0, 0), 1232, 0, 0);
  g_assert_cmpint(question_read(&question, wire, length), ==, LDNS_RCODE_FORMERR);
}

static Answer *addresses(const char *name, unsigned n, uint32_t ttl)
{
  uint8_t wire[NAME_WIRE_MAX];
  ldns_pkt *packet = resolver_begin(wire, name_from_text(name, wire), LDNS_RR_TYPE_A, LDNS_RCODE_NOERROR);
  for (unsigned i = 0; i < n; i++) {
    ldns_rr *rr = NULL;
    g_autofree char *text = g_strdup_printf("%s %u IN A 10.1.%u.%u", name, ttl + i % 3, i / 256, i % 256);
    g_assert_cmpint(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), ==, LDNS_STATUS_OK);
    ldns_pkt_push_rr(packet, LDNS_SECTION_ANSWER, rr);
  }
  Answer *answer = answer_new(packet);
  ldns_pkt_free(packet);
  g_assert_nonnull(answer);
  return answer;
}

static ldns_pkt *written(const Answer *answer, const Question *question, uint32_t age, size_t limit)
{
  g_autofree uint8_t *out = g_malloc(limit);
  ldns_pkt *packet = NULL;
  size_t length = answer_write(answer, question, age, limit, out);
  g_assert_cmpuint(length, <=, limit);
  g_assert_cmpint(ldns_wire2pkt(&packet, out, length), ==, LDNS_STATUS_OK);
  return packet;
}

static void test_answer(void)
{
  g_autoptr(Answer) answer = addresses("web.example.org.", 3, 20);
  Question question = read_query("web.example.org", LDNS_RR_TYPE_A);
  g_assert_cmpuint(answer_ttl(answer), ==, 20);
  question.asked[1] = 'W';
  question.edns = true;
  ldns_pkt *packet = written(answer, &question, 5, 512);
  char *name = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(packet), 0)));
  g_assert_cmpstr(name, ==, "Web.example.org.");
  free(name);
  name = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_answer(packet), 2)));
  g_assert_cmpstr(name, ==, "Web.example.org."); /* compressed: the same bytes */
  free(name);
  g_assert_cmpuint(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(packet), 0)), ==, 15);
  g_assert_cmpuint(ldns_pkt_id(packet), ==, 0x1234);
  g_assert_true(ldns_pkt_rd(packet) && ldns_pkt_ra(packet) && ldns_pkt_qr(packet));
  g_assert_true(ldns_pkt_edns(packet));
  ldns_pkt_free(packet);
  packet = written(answer, &question, 100, 512);
  g_assert_cmpuint(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(packet), 0)), ==, 0);
  ldns_pkt_free(packet);
}

static void test_truncation(void)
{
  g_autoptr(Answer) answer = addresses("db.default.svc.cluster.local.", 200, 30);
  Question question = read_query("db.default.svc.cluster.local", LDNS_RR_TYPE_A);
  ldns_pkt *whole = written(answer, &question, 0, MESSAGE_MAX);
  g_assert_false(ldns_pkt_tc(whole));
  g_assert_cmpuint(ldns_pkt_ancount(whole), ==, 200);
  ldns_pkt_free(whole);
  question.edns = true;
  for (size_t limit = 512; limit <= 1232; limit += 240) {
    ldns_pkt *cut = written(answer, &question, 0, limit);
    size_t room = limit - MESSAGE_HEADER_SIZE - question.name_length - 4 - OPT_SIZE;
    g_assert_true(ldns_pkt_tc(cut));
    g_assert_true(ldns_pkt_edns(cut));
    g_assert_cmpuint(ldns_pkt_ancount(cut), ==, room / 16);
    ldns_pkt_free(cut);
  }
}

static void push_texts(ldns_pkt *packet, ldns_pkt_section section, unsigned n)
{
  g_autofree char *text = g_strnfill(200, 'x');
  for (unsigned i = 0; i < n; i++) {
    ldns_rr *rr = NULL;
    g_autofree char *line = g_strdup_printf("t.example.org. 60 IN TXT %s%u", text, i);
    g_assert_cmpint(ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL), ==, LDNS_STATUS_OK);
    ldns_pkt_push_rr(packet, section, rr);
  }
}

/* More than a message holds: additional records go first, and only what is missing of the answer is said. */
static void test_too_much(void)
{
  static const struct {
    unsigned answers, additional, least;
    bool cut;
  } rows[] = { { 100, 100, 100, false }, { 100, 400, 100, false }, { 600, 400, 250, true } };
  Question question = read_query("t.example.org", LDNS_RR_TYPE_TXT);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    ldns_pkt *packet = resolver_begin(question.name, question.name_length, LDNS_RR_TYPE_TXT, LDNS_RCODE_NOERROR);
    push_texts(packet, LDNS_SECTION_ANSWER, rows[i].answers);
    push_texts(packet, LDNS_SECTION_ADDITIONAL, rows[i].additional);
    g_autoptr(Answer) answer = answer_new(packet);
    ldns_pkt_free(packet);
    packet = written(answer, &question, 0, MESSAGE_MAX);
    g_assert_cmpint(ldns_pkt_tc(packet), ==, rows[i].cut);
    g_assert_cmpuint(ldns_pkt_ancount(packet), >=, rows[i].least);
    g_assert_cmpuint(ldns_pkt_arcount(packet), ==, rows[i].additional == 100 ? 100 : 0);
    ldns_pkt_free(packet);
  }
}

/* Every address comes first now and then, also of those that do not fit. */
static void test_order(void)
{
  g_autoptr(Answer) few = addresses("db.example.", 4, 30), many = addresses("db.example.", 60, 30);
  Question question = read_query("db.example", LDNS_RR_TYPE_A);
  g_autoptr(GHashTable) first = g_hash_table_new(NULL, NULL), of_many = g_hash_table_new(NULL, NULL);
  for (unsigned i = 0; i < 2000; i++) {
    const Answer *both[] = { few, many };
    for (unsigned k = 0; k < 2; k++) {
      uint8_t out[512];
      size_t length = answer_write(both[k], &question, 0, sizeof out, out);
      g_assert_cmpuint(length, >, 44);
      uint32_t address = message_u32(out + MESSAGE_HEADER_SIZE + question.name_length + 4 + 12);
      g_hash_table_add(k ? of_many : first, GUINT_TO_POINTER(address));
    }
  }
  g_assert_cmpuint(g_hash_table_size(first), ==, 4);
  g_assert_cmpuint(g_hash_table_size(of_many), ==, 60);
}

static bool is_cached(Cache *cache, const char *name, uint64_t epoch, uint32_t now, uint32_t *age)
{
  Question question = read_query(name, LDNS_RR_TYPE_A);
  return cache_find(cache, &question, epoch, now, age) != NULL;
}

static void put(Cache *cache, const char *name, uint32_t seconds, uint64_t epoch, uint32_t now)
{
  Question question = read_query(name, LDNS_RR_TYPE_A);
  CacheKey key;
  cache_key_init(&key, &question);
  g_autoptr(Answer) answer = addresses(name, 1, 30);
  cache_put(cache, &key, answer, seconds, epoch, now);
}

static void test_cache(void)
{
  Cache *cache = cache_new(3, 1 << 20);
  uint32_t age = 0;
  put(cache, "a.", 10, 0, 100);
  g_assert_true(is_cached(cache, "A.", 1, 109, &age));
  g_assert_cmpuint(age, ==, 9);
  g_assert_false(is_cached(cache, "a.", 1, 110, &age));
  g_assert_cmpuint(cache_entries(cache), ==, 0);
  put(cache, "b.", 0, 7, 100); /* as long as the cluster stays as it is */
  g_assert_true(is_cached(cache, "b.", 7, 100000, &age));
  g_assert_cmpuint(age, ==, 0);
  g_assert_false(is_cached(cache, "b.", 8, 100000, &age));
  put(cache, "c.", 10, 7, 100);
  g_assert_false(is_cached(cache, "c.", 8, 101, &age));
  put(cache, "a.", 10, 0, 100);
  put(cache, "b.", 10, 0, 100);
  put(cache, "c.", 10, 0, 100);
  g_assert_true(is_cached(cache, "a.", 1, 101, &age)); /* b is the one unused longest */
  put(cache, "d.", 10, 0, 100);
  g_assert_true(is_cached(cache, "a.", 1, 101, &age));
  g_assert_false(is_cached(cache, "b.", 1, 101, &age));
  g_assert_true(is_cached(cache, "d.", 1, 101, &age));
  cache_clear(cache);
  g_assert_cmpuint(cache_entries(cache), ==, 0);
  cache_free(cache);
  cache = cache_new(1000, 3000); /* bytes */
  for (unsigned i = 0; i < 100; i++) {
    g_autofree char *name = g_strdup_printf("n%u.", i);
    put(cache, name, 10, 0, 100);
  }
  g_assert_cmpuint(cache_entries(cache), >, 2);
  g_assert_cmpuint(cache_entries(cache), <, 12);
  cache_free(cache);
}

/* What a question asks for beside its name and type makes it another one. */
static void test_cache_keys(void)
{
  Question plain = read_query("a.", LDNS_RR_TYPE_A), other = plain;
  CacheKey a, b;
  cache_key_init(&a, &plain);
  cache_key_init(&b, &other);
  g_assert_true(cache_key_equal(&a, &b));
  other.dnssec_ok = true;
  cache_key_init(&b, &other);
  g_assert_false(cache_key_equal(&a, &b));
  other = plain;
  other.flags |= FLAG_CD;
  cache_key_init(&b, &other);
  g_assert_false(cache_key_equal(&a, &b));
  other = plain;
  other.type = LDNS_RR_TYPE_AAAA;
  cache_key_init(&b, &other);
  g_assert_false(cache_key_equal(&a, &b));
}

static void test_replies(void)
{
  uint8_t query[512], reply[512];
  size_t length = make_query(query, "www.example.org", LDNS_RR_TYPE_A, FLAG_RD);
  memcpy(reply, query, length);
  g_assert_false(exchange_is_reply(query, length, 0x1234, reply, length)); /* a question */
  reply[2] |= 0x80;
  g_assert_true(exchange_is_reply(query, length, 0x1234, reply, length));
  g_assert_false(exchange_is_reply(query, length, 0x1235, reply, length));
  reply[13] = 'W';
  g_assert_true(exchange_is_reply(query, length, 0x1234, reply, length));
  reply[13] = 'x';
  g_assert_false(exchange_is_reply(query, length, 0x1234, reply, length));
  reply[13] = 'w';
  for (size_t i = 0; i < length; i++)
    g_assert_false(exchange_is_reply(query, length, 0x1234, reply, i));
  reply[5] = 0; /* without its question only a failure */
  g_assert_false(exchange_is_reply(query, length, 0x1234, reply, 12));
  reply[3] = LDNS_RCODE_FORMERR;
  g_assert_true(exchange_is_reply(query, length, 0x1234, reply, 12));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/messages/question", test_question);
  g_test_add_func("/messages/refusals", test_refusals);
  g_test_add_func("/messages/long-names", test_long_names);
  g_test_add_func("/messages/edns", test_edns);
  g_test_add_func("/messages/answer", test_answer);
  g_test_add_func("/messages/truncation", test_truncation);
  g_test_add_func("/messages/too-much", test_too_much);
  g_test_add_func("/messages/order", test_order);
  g_test_add_func("/messages/cache", test_cache);
  g_test_add_func("/messages/cache-keys", test_cache_keys);
  g_test_add_func("/messages/replies", test_replies);
  return g_test_run();
}
