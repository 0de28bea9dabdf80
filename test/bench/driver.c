/*
 * A producer and a consumer over librdkafka, driven by test/bench/main.ts. Prints one line of JSON on stdout.
 *
 *   driver produce BOOTSTRAP TOPIC PARTITIONS RECORDS RECORD_BYTES BATCH_BYTES LINGER_MS
 *   driver latency BOOTSTRAP TOPIC PARTITIONS RECORDS RECORD_BYTES
 *   driver consume BOOTSTRAP TOPIC PARTITIONS RECORDS
 *
 * produce keeps librdkafka's queue full and waits for every acknowledgement (acks=all); latency sends one record, waits for
 * its acknowledgement, sends the next; consume reads all partitions from the beginning until RECORDS have come.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void fail(const char *what) {
  fprintf(stderr, "driver: %s\n", what);
  exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
  char error[256];
  if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) fail(error);
}

static long delivered, failed;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  (void)rk;
  (void)opaque;
  if (message->err) {
    if (!failed++) fprintf(stderr, "driver: delivery failed: %s\n", rd_kafka_err2str(message->err));
  } else {
    delivered++;
  }
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static unsigned char *noise(size_t bytes) {
  unsigned char *buffer = malloc(bytes);
  unsigned state = 12345;
  for (size_t i = 0; i < bytes; i++) buffer[i] = (state = state * 1103515245u + 12345u) >> 16;
  return buffer;
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *bootstrap) {
  char error[256];
  set(conf, "bootstrap.servers", bootstrap);
  set(conf, "broker.address.family", "v4");
  rd_kafka_t *rk = rd_kafka_new(type, conf, error, sizeof error);
  if (!rk) fail(error);
  return rk;
}

static void produce(char **argv) {
  int partitions = atoi(argv[4]);
  long records = atol(argv[5]), bytes = atol(argv[6]);
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  set(conf, "acks", "all");
  set(conf, "batch.size", argv[7]);
  set(conf, "message.max.bytes", "2000000");
  set(conf, "batch.num.messages", "100000");
  set(conf, "linger.ms", argv[8]);
  set(conf, "queue.buffering.max.kbytes", "131072");
  set(conf, "queue.buffering.max.messages", "200000");
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, conf, argv[2]);
  rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[3], NULL);
  unsigned char *payload = noise(bytes + 4096);
  /* Metadata and connections first: they are not what is measured. */
  const struct rd_kafka_metadata *metadata;
  if (rd_kafka_metadata(rk, 0, topic, &metadata, 10000)) fail("no metadata");
  rd_kafka_metadata_destroy(metadata);
  double start = now_ms();
  for (long i = 0; i < records; i++) {
    unsigned char *value = payload + (i * 7) % 4096;
    while (rd_kafka_produce(topic, (int)((i / 64) % partitions), RD_KAFKA_MSG_F_COPY, value, bytes, NULL, 0, NULL) == -1) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail("produce refused");
      rd_kafka_poll(rk, 5);
    }
    if (i % 256 == 0) rd_kafka_poll(rk, 0);
  }
  if (rd_kafka_flush(rk, 120000)) fail("flush timed out");
  double ms = now_ms() - start;
  printf("{\"records\":%ld,\"failed\":%ld,\"bytes\":%ld,\"ms\":%.3f}\n", delivered, failed, delivered * bytes, ms);
}

static void latency(char **argv) {
  int partitions = atoi(argv[4]);
  long records = atol(argv[5]), bytes = atol(argv[6]);
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  set(conf, "acks", "all");
  set(conf, "linger.ms", "0");
  set(conf, "socket.nagle.disable", "true");
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, conf, argv[2]);
  rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[3], NULL);
  unsigned char *payload = noise(bytes);
  double *took = malloc(records * sizeof *took);
  long warm = 50;
  double begin = 0;
  for (long i = -warm; i < records; i++) {
    if (i == 0) begin = now_ms();
    long before = delivered + failed;
    double start = now_ms();
    if (rd_kafka_produce(topic, (int)((i + warm) % partitions), RD_KAFKA_MSG_F_COPY, payload, bytes, NULL, 0, NULL) == -1)
      fail("produce refused");
    while (delivered + failed == before) rd_kafka_poll(rk, 1000);
    if (i >= 0) took[i] = now_ms() - start;
  }
  double ms = now_ms() - begin;
  qsort(took, records, sizeof *took, compare);
  printf("{\"records\":%ld,\"failed\":%ld,\"ms\":%.3f,\"p50\":%.4f,\"p99\":%.4f}\n", records, failed, ms,
         took[records / 2], took[(long)(records * 0.99)]);
}

static void consume(char **argv) {
  int partitions = atoi(argv[4]);
  long wanted = atol(argv[5]), records = 0, bytes = 0;
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  set(conf, "group.id", "bench");
  set(conf, "enable.auto.commit", "false");
  set(conf, "fetch.message.max.bytes", "8388608");
  set(conf, "fetch.max.bytes", "52428800");
  set(conf, "queued.max.messages.kbytes", "131072");
  set(conf, "queued.min.messages", "1000000");
  set(conf, "check.crcs", "false");
  rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, conf, argv[2]);
  rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[3], NULL);
  rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
  const struct rd_kafka_metadata *metadata;
  if (rd_kafka_metadata(rk, 0, topic, &metadata, 10000)) fail("no metadata");
  rd_kafka_metadata_destroy(metadata);
  double start = now_ms();
  for (int p = 0; p < partitions; p++)
    if (rd_kafka_consume_start_queue(topic, p, RD_KAFKA_OFFSET_BEGINNING, queue) == -1) fail("cannot start");
  rd_kafka_message_t **batch = malloc(20000 * sizeof *batch);
  while (records < wanted) {
    ssize_t count = rd_kafka_consume_batch_queue(queue, 1000, batch, 20000);
    if (now_ms() - start > 120000) fail("consume timed out");
    for (ssize_t i = 0; i < count; i++) {
      if (!batch[i]->err) {
        records++;
        bytes += batch[i]->len;
      } else if (batch[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        fail(rd_kafka_message_errstr(batch[i]));
      }
      rd_kafka_message_destroy(batch[i]);
    }
  }
  printf("{\"records\":%ld,\"failed\":0,\"bytes\":%ld,\"ms\":%.3f}\n", records, bytes, now_ms() - start);
  fflush(stdout);
  _Exit(0); /* A clean close takes a second and measures nothing. */
}

int main(int argc, char **argv) {
  if (argc == 9 && !strcmp(argv[1], "produce")) produce(argv);
  else if (argc == 7 && !strcmp(argv[1], "latency")) latency(argv);
  else if (argc == 6 && !strcmp(argv[1], "consume")) consume(argv);
  else fail("usage: see the top of driver.c");
  return 0;
}
