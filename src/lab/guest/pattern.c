/*
 * A load whose measures are known beforehand, to check the load monitor against:
 *   pattern hold PROCESSES THREADS SECONDS    that many processes with that many threads each, all of them runnable
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

enum { MEMBERS_MAX = 256, NS_PER_SECOND = 1000000000, NS_PER_MS = 1000000 };

static struct shared {
  volatile uint64_t hops, hops_within;
  volatile uint64_t end;
} *shared;

static int processes, threads, ring;
static int pipes[MEMBERS_MAX][2];

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
  if (ring) pass_on((int)(intptr_t)member);
  else hold();
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

int main(int argc, char **argv) {
  double seconds = argc == 5 ? atof(argv[4]) : 0;
  processes = argc == 5 ? atoi(argv[2]) : 0;
  threads = argc == 5 ? atoi(argv[3]) : 0;
  ring = argc == 5 && strcmp(argv[1], "ring") == 0;
  if (seconds <= 0 || processes < 1 || threads < 1 || processes * threads > MEMBERS_MAX ||
      (!ring && strcmp(argv[1], "hold") != 0)) {
    fprintf(stderr, "Use: pattern hold|ring PROCESSES THREADS SECONDS, %d threads in all at most\n", MEMBERS_MAX);
    return 2;
  }
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  for (int i = 0; ring && i < processes * threads; i++)
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
  if (ring && write(pipes[0][1], &byte, 1) != 1) return 1;
  for (int i = 0; i < processes; i++) wait(NULL);
  printf("{\"startMs\":%.3f,\"seconds\":%.6f,\"hops\":%llu,\"hopsWithin\":%llu}\n", (double)start / NS_PER_MS,
         (double)(now() - start) / NS_PER_SECOND,
         (unsigned long long)shared->hops, (unsigned long long)shared->hops_within);
  return 0;
}
