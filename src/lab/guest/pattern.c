/*
 * A load whose measures are known beforehand, to check the load monitor against:
 *   pattern hold PROCESSES THREADS SECONDS    that many processes with that many threads each, all of them runnable
 *   pattern wait PROCESSES THREADS SECONDS    the same, and none of them is ever runnable
 *   pattern ring PROCESSES THREADS SECONDS    one byte goes round all threads, so one of them is runnable at a time;
 *                                             of the hops of a round, PROCESSES x (THREADS - 1) are within a process
 * Start it with taskset to keep it on certain vCPUs. SIGTERM to the first process ends it before its time. Prints {"startMs":..,"seconds":..,"hops":..,"hopsWithin":..} at
 * the end; startMs is on the guest's monotonic clock.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MEMBERS_MAX = 4096, RING_MEMBERS_MAX = 256, NS_PER_SECOND = 1000000000, NS_PER_MS = 1000000 };

static struct shared {
  volatile uint64_t hops, hops_within;
  volatile uint64_t end;
} *shared;

static int processes, threads;
static enum { HOLD, WAIT, RING, UNKNOWN } pattern;
static int pipes[RING_MEMBERS_MAX][2];

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

/* A wait() goes on after it (BSD semantics of signal). */
static void stop(int unused) {
  (void)unused;
  shared->end = 0;
}

static void hold(void) {
  while (now() < shared->end)
    for (volatile int i = 0; i < 1000; i++) continue;
}

/* Only the member that has the byte touches the counts. */
static void pass_on(int member) {
  int next = (member + 1) % (processes * threads);
  for (char byte; read(pipes[member][0], &byte, 1) == 1;) {
    if (byte != 0 || now() >= shared->end) byte = 1;
    shared->hops++;
    if (next / threads == member / threads) shared->hops_within++;
    if (write(pipes[next][1], &byte, 1) != 1 || byte != 0) return;
  }
}

static void *live(void *member) {
  if (pattern == RING) pass_on((int)(intptr_t)member);
  if (pattern == HOLD) hold();
  // They end with the first process.
  while (pattern == WAIT) pause();
  return NULL;
}

static void live_together(int process) {
  pthread_t others[MEMBERS_MAX];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 1; i < threads; i++) {
    if (pthread_create(&others[i], NULL, live, (void *)(intptr_t)(process * threads + i)) != 0) _exit(1);
  }
  live((void *)(intptr_t)(process * threads));
  for (int i = 1; i < threads; i++) pthread_join(others[i], NULL);
}

static void sleep_to_the_end(void) {
  while (now() < shared->end) {
    struct timespec left = {(time_t)((shared->end - now()) / NS_PER_SECOND), NS_PER_SECOND - 1};
    nanosleep(&left, NULL);
  }
}

static int pattern_named(const char *name) {
  if (strcmp(name, "hold") == 0) return HOLD;
  if (strcmp(name, "wait") == 0) return WAIT;
  return strcmp(name, "ring") == 0 ? RING : UNKNOWN;
}

int main(int argc, char **argv) {
  double seconds = argc == 5 ? atof(argv[4]) : 0;
  processes = argc == 5 ? atoi(argv[2]) : 0;
  threads = argc == 5 ? atoi(argv[3]) : 0;
  pattern = argc == 5 ? pattern_named(argv[1]) : UNKNOWN;
  int most = pattern == RING ? RING_MEMBERS_MAX : MEMBERS_MAX;
  if (seconds <= 0 || processes < 1 || threads < 1 || processes > most / threads || pattern == UNKNOWN) {
    fprintf(stderr, "Use: pattern hold|wait|ring PROCESSES THREADS SECONDS, %d threads in all at most, %d in a ring\n",
            MEMBERS_MAX, RING_MEMBERS_MAX);
    return 2;
  }
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  for (int i = 0; pattern == RING && i < processes * threads; i++)
    if (pipe(pipes[i]) != 0) return 1;
  uint64_t start = now();
  signal(SIGTERM, stop);
  shared->end = start + (uint64_t)(seconds * NS_PER_SECOND);
  for (int i = 0; i < processes; i++) {
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
      live_together(i);
      _exit(0);
    }
  }
  char byte = 0;
  if (pattern == RING && write(pipes[0][1], &byte, 1) != 1) return 1;
  if (pattern == WAIT) sleep_to_the_end();
  for (int i = 0; pattern != WAIT && i < processes; i++) wait(NULL);
  printf("{\"startMs\":%.3f,\"seconds\":%.6f,\"hops\":%llu,\"hopsWithin\":%llu}\n", (double)start / NS_PER_MS,
         (double)(now() - start) / NS_PER_SECOND,
         (unsigned long long)shared->hops, (unsigned long long)shared->hops_within);
  return 0;
}
