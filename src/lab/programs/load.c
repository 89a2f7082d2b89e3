/*
 * The guest programs, one of them per call:
 *   load PROGRAM [--threads N] [--scale FACTOR]    a fixed amount of work, then {"seconds":..,"threads":..,"rounds":..}
 *   load PROGRAM [--threads N] --for SECONDS [--follow]    rounds per second: a line every second and one at the end
 * Without --threads there is one thread per vCPU that is online at the start. With --follow the threads are
 * started again whenever that number changes, as a program with a thread pool of its own would do.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "load.h"

enum { THREADS_MAX = 256, TICK_NS = 10000000, TICKS_PER_SECOND = 100 };

volatile uint64_t sink;

static const struct program *const programs[] = {&compute, &spin_barrier, &futex_barrier, &spinlock, &mm};
static const struct program *program;

static struct worker {
  _Alignas(64) pthread_t pthread;
  int index;
  uint64_t begin, end;
  _Atomic uint64_t done;
} workers[THREADS_MAX];

static uint64_t rounds_each;
static _Alignas(64) _Atomic uint64_t stop_at; /* no thread that goes in step begins this round */
static _Alignas(64) atomic_bool expired;
static pthread_barrier_t gate;

uint64_t churn(uint64_t seed, uint64_t units) {
  uint64_t x = seed | 1;
  for (uint64_t i = 0; i < units; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
  }
  return x;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *work(void *argument) {
  struct worker *w = argument;
  pthread_barrier_wait(&gate);
  w->begin = now();
  for (uint64_t round = 0;; round++) {
    if (atomic_load_explicit(&expired, memory_order_relaxed)) {
      if (!program->in_step) break;
      /* Thread 0 names the last round before it takes part in it, so nobody passes that round without knowing. */
      uint64_t never = UINT64_MAX;
      if (w->index == 0) atomic_compare_exchange_strong(&stop_at, &never, round + 1);
    }
    if (round >= atomic_load(&stop_at)) break;
    if (round >= rounds_each) break;
    program->round(w->index);
    atomic_store_explicit(&w->done, round + 1, memory_order_relaxed);
  }
  w->end = now();
  return NULL;
}

static void begin(int threads) {
  atomic_store(&expired, false);
  atomic_store(&stop_at, UINT64_MAX);
  program->prepare(threads);
  pthread_barrier_init(&gate, NULL, (unsigned)threads);
  for (int i = 0; i < threads; i++) {
    workers[i].index = i;
    atomic_store(&workers[i].done, 0);
    if (pthread_create(&workers[i].pthread, NULL, work, &workers[i]) != 0) {
      perror("load: pthread_create");
      exit(1);
    }
  }
}

/* Returns the seconds from the first thread's start to the last one's end. */
static double finish(int threads) {
  uint64_t first = UINT64_MAX, last = 0;
  for (int i = 0; i < threads; i++) {
    pthread_join(workers[i].pthread, NULL);
    if (workers[i].begin < first) first = workers[i].begin;
    if (workers[i].end > last) last = workers[i].end;
  }
  pthread_barrier_destroy(&gate);
  return (double)(last - first) / 1e9;
}

static uint64_t total_done(int threads) {
  uint64_t sum = 0;
  for (int i = 0; i < threads; i++) sum += atomic_load_explicit(&workers[i].done, memory_order_relaxed);
  return sum;
}

static int online_vcpus(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int count = CPU_COUNT(&set);
  return count < THREADS_MAX ? count : THREADS_MAX;
}

static void run_fixed_work(int threads, double scale) {
  uint64_t total = (uint64_t)((double)program->rounds * scale);
  rounds_each = total / (uint64_t)threads;
  if (rounds_each == 0) rounds_each = 1;
  begin(threads);
  double seconds = finish(threads);
  printf("{\"seconds\":%.6f,\"threads\":%d,\"rounds\":%llu}\n", seconds, threads,
         (unsigned long long)(rounds_each * (uint64_t)threads));
}

static void run_for(int threads, int seconds, bool follow) {
  rounds_each = UINT64_MAX;
  begin(threads);
  uint64_t start = now(), before = start, counted = 0, earlier = 0;
  for (int second = 1; second <= seconds; second++) {
    for (int tick = 0; tick < TICKS_PER_SECOND; tick++) {
      uint64_t due = start + (uint64_t)(second - 1) * 1000000000u + (uint64_t)(tick + 1) * TICK_NS;
      struct timespec until = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
      if (!follow || online_vcpus() == threads) continue;
      atomic_store(&expired, true);
      finish(threads);
      earlier += total_done(threads);
      threads = online_vcpus();
      begin(threads);
    }
    uint64_t done = earlier + total_done(threads), at = now();
    printf("{\"second\":%d,\"rate\":%.1f,\"threads\":%d}\n", second,
           (double)(done - counted) * 1e9 / (double)(at - before), threads);
    fflush(stdout);
    counted = done;
    before = at;
  }
  atomic_store(&expired, true);
  finish(threads);
  uint64_t done = earlier + total_done(threads);
  double took = (double)(now() - start) / 1e9;
  printf("{\"seconds\":%.6f,\"threads\":%d,\"rounds\":%llu,\"rate\":%.1f}\n", took, threads, (unsigned long long)done,
         (double)done / took);
}

static int refuse(const char *why) {
  fprintf(stderr, "load: %s\nUse: load PROGRAM [--threads N] [--scale FACTOR | --for SECONDS [--follow]]; PROGRAM is one of", why);
  for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) fprintf(stderr, " %s", programs[i]->name);
  fprintf(stderr, "\n");
  return 2;
}

int main(int argc, char **argv) {
  int threads = 0, seconds = 0;
  double scale = 1;
  bool follow = false;
  for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
    if (argc > 1 && strcmp(argv[1], programs[i]->name) == 0) program = programs[i];
  if (program == NULL) return refuse("no such program");
  for (int i = 2; i < argc; i++) {
    bool has_value = i + 1 < argc;
    if (strcmp(argv[i], "--follow") == 0) follow = true;
    else if (strcmp(argv[i], "--threads") == 0 && has_value) threads = atoi(argv[++i]);
    else if (strcmp(argv[i], "--scale") == 0 && has_value) scale = atof(argv[++i]);
    else if (strcmp(argv[i], "--for") == 0 && has_value) seconds = atoi(argv[++i]);
    else return refuse(argv[i]);
  }
  if (threads < 0 || THREADS_MAX < threads || scale <= 0 || seconds < 0) return refuse("a value is out of range");
  if (threads == 0) threads = online_vcpus();
  else follow = false;
  if (seconds > 0) run_for(threads, seconds, follow);
  else run_fixed_work(threads, scale);
  return 0;
}
