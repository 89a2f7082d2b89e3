/*
 * A barrier that is waited for by spinning: while one thread's vCPU is off its pCPU, all the others burn theirs.
 * Sense reversal: the last to arrive opens the barrier by raising its generation.
 */
#include <stdatomic.h>
#include "load.h"

static _Alignas(64) atomic_int arrived;
static _Alignas(64) atomic_uint generation;
static int expected;

static void prepare(int threads) {
  expected = threads;
  atomic_store(&arrived, 0);
}

static void work(int thread) {
  sink = churn((uint64_t)thread, 2000);
  unsigned before = atomic_load(&generation);
  if (atomic_fetch_add(&arrived, 1) + 1 == expected) {
    atomic_store(&arrived, 0);
    atomic_fetch_add(&generation, 1);
  } else {
    while (atomic_load(&generation) == before) __builtin_ia32_pause();
  }
}

const struct program spin_barrier = {"spin-barrier", 1000000, true, prepare, work};
