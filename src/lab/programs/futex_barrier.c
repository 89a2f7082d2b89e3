/* A POSIX barrier: waiting threads sleep in the kernel, so each round costs wake-ups across vCPUs. */
#include <pthread.h>
#include "load.h"

static pthread_barrier_t barrier;

static void prepare(int threads) { pthread_barrier_init(&barrier, NULL, (unsigned)threads); }

static void work(int thread) {
  sink = churn((uint64_t)thread, 6000);
  pthread_barrier_wait(&barrier);
}

const struct program futex_barrier = {"futex-barrier", 150000, true, prepare, work};
