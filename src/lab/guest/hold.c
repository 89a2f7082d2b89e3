/*
 * Holds every vCPU that is online: one thread for each reserves nine tenths of a vCPU's time (SCHED_DEADLINE), so that
 * the kernel refuses to offline any of them, for fewer could not keep the promise. The threads sleep; nothing is used.
 * Prints "held" when it holds them, and lets go when it is killed.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's include/uapi/linux/sched/types.h; the C library has no name for it. */
struct attributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

enum { SCHED_DEADLINE_POLICY = 6, PERIOD_NS = 100000000, RUNTIME_NS = 90000000, VCPUS_MAX = 1024 };

static pthread_barrier_t all;

static void *reserve(void *unused) {
  (void)unused;
  struct attributes wanted = {
      .size = sizeof wanted,
      .policy = SCHED_DEADLINE_POLICY,
      .runtime = RUNTIME_NS,
      .deadline = PERIOD_NS,
      .period = PERIOD_NS,
  };
  if (syscall(SYS_sched_setattr, 0, &wanted, 0) != 0) {
    perror("hold: sched_setattr");
    exit(1);
  }
  pthread_barrier_wait(&all);
  for (;;) pause();
}

int main(void) {
  long vcpus = sysconf(_SC_NPROCESSORS_ONLN);
  if (vcpus < 1 || VCPUS_MAX < vcpus) return 1;
  pthread_barrier_init(&all, NULL, (unsigned)vcpus + 1);
  for (long i = 0; i < vcpus; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, reserve, NULL) != 0) {
      perror("hold: pthread_create");
      return 1;
    }
  }
  pthread_barrier_wait(&all);
  printf("held\n");
  fflush(stdout);
  for (;;) pause();
}
