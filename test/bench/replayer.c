/*
 * Sends prepared requests over many connections as fast as answers come, for loads that one client library cannot make.
 * Driven by test/bench/main.ts; prints one line of JSON on stdout.
 *
 *   replayer kafka|http HOST PORT CONNECTIONS IN_FLIGHT REQUESTS CHECK_AT CHECK_HEX FILE...
 *
 * Connection i sends the bytes of FILE i (modulo their number) again and again, IN_FLIGHT at a time. Every answer must
 * hold the bytes CHECK_HEX at CHECK_AT (kafka: counted from its size field; http: from its status line), else it counts as
 * failed. Latency is from the write of a request to the last byte of its answer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH = 64, INPUT = 1 << 20 };

struct request {
  char *bytes;
  size_t length;
};

struct connection {
  int fd, in_flight, head, writable;
  struct request *request;
  size_t written; /* of the request being written; 0 when none is */
  int writing;
  double sent[DEPTH];
  char *input;
  size_t filled;
};

static int http, in_flight_max;
static long wanted, started, answered, wrong, check_at;
static unsigned char check[64];
static int check_length;
static double *took;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void fail(const char *what) {
  fprintf(stderr, "replayer: %s (%s)\n", what, errno ? strerror(errno) : "no system error");
  exit(1);
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void send_more(struct connection *c) {
  while (c->writable) {
    if (!c->writing) {
      if (started == wanted || c->in_flight == in_flight_max) return;
      started++;
      c->writing = 1;
      c->written = 0;
      c->sent[(c->head + c->in_flight++) % DEPTH] = now_ms();
    }
    ssize_t n = send(c->fd, c->request->bytes + c->written, c->request->length - c->written, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN) fail("send");
      c->writable = 0;
      return;
    }
    c->written += n;
    if (c->written == c->request->length) c->writing = 0;
  }
}

/* Length of the first whole answer in the input, 0 when it is not all there. */
static size_t answer_length(struct connection *c) {
  if (!http) {
    if (c->filled < 4) return 0;
    unsigned char *b = (unsigned char *)c->input;
    size_t length = 4 + ((size_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]);
    return c->filled >= length ? length : 0;
  }
  char *end = memmem(c->input, c->filled, "\r\n\r\n", 4);
  if (!end) return 0;
  *end = 0;
  char *header = strcasestr(c->input, "content-length:");
  *end = '\r';
  if (!header) fail("an answer without Content-Length");
  size_t length = (end + 4 - c->input) + strtoul(header + 15, NULL, 10);
  return c->filled >= length ? length : 0;
}

static void receive(struct connection *c) {
  for (;;) {
    ssize_t n = recv(c->fd, c->input + c->filled, INPUT - c->filled, 0);
    if (n == 0) fail("the broker closed a connection");
    if (n < 0) {
      if (errno == EAGAIN) break;
      fail("recv");
    }
    c->filled += n;
    size_t length;
    while ((length = answer_length(c))) {
      if (length < (size_t)(check_at + check_length) || memcmp(c->input + check_at, check, check_length)) {
        if (!wrong++) {
          fprintf(stderr, "replayer: unexpected answer:");
          for (size_t i = 0; i < length && i < 200; i++) fprintf(stderr, http ? "%c" : " %02x", (unsigned char)c->input[i]);
          fprintf(stderr, "\n");
        }
      }
      took[answered++] = now_ms() - c->sent[c->head];
      c->head = (c->head + 1) % DEPTH;
      c->in_flight--;
      memmove(c->input, c->input + length, c->filled - length);
      c->filled -= length;
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 10) fail("usage: see the top of replayer.c");
  http = !strcmp(argv[1], "http");
  int connections = atoi(argv[4]);
  in_flight_max = atoi(argv[5]);
  wanted = atol(argv[6]);
  check_at = atol(argv[7]);
  check_length = strlen(argv[8]) / 2;
  for (int i = 0; i < check_length; i++) sscanf(argv[8] + 2 * i, "%2hhx", &check[i]);
  if (in_flight_max > DEPTH) fail("too many in flight");
  took = malloc(wanted * sizeof *took);
  int files = argc - 9;
  struct request *requests = calloc(files, sizeof *requests);
  for (int i = 0; i < files; i++) {
    FILE *file = fopen(argv[9 + i], "rb");
    if (!file) fail(argv[9 + i]);
    fseek(file, 0, SEEK_END);
    requests[i].length = ftell(file);
    rewind(file);
    requests[i].bytes = malloc(requests[i].length);
    if (fread(requests[i].bytes, 1, requests[i].length, file) != requests[i].length) fail("read");
    fclose(file);
  }
  int poll = epoll_create1(0);
  struct connection *all = calloc(connections, sizeof *all);
  for (int i = 0; i < connections; i++) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
    inet_pton(AF_INET, argv[2], &address.sin_addr);
    struct connection *c = &all[i];
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->request = &requests[i % files];
    c->input = malloc(INPUT);
    c->writable = 1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    epoll_ctl(poll, EPOLL_CTL_ADD, c->fd, &event);
  }
  double start = now_ms();
  for (int i = 0; i < connections; i++) send_more(&all[i]);
  struct epoll_event events[256];
  while (answered < wanted) {
    int count = epoll_wait(poll, events, 256, 10000);
    if (count == 0) fail("no answer for 10 s");
    for (int i = 0; i < count; i++) {
      struct connection *c = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) c->writable = 1;
      if (events[i].events & EPOLLIN) receive(c);
      send_more(c);
    }
    if (now_ms() - start > 120000) fail("timed out");
  }
  double ms = now_ms() - start;
  qsort(took, answered, sizeof *took, compare);
  printf("{\"requests\":%ld,\"failed\":%ld,\"ms\":%.3f,\"p50\":%.4f,\"p99\":%.4f}\n", answered, wrong, ms,
         took[answered / 2], took[(long)(answered * 0.99)]);
  return 0;
}
