/* A ticketless spinlock with a quarter of the work inside: its holder's vCPU may lose its pCPU (lock-holder preemption). */
#include <stdatomic.h>
#include "load.h"

static _Alignas(64) atomic_flag lock = ATOMIC_FLAG_INIT;
static _Alignas(64) volatile uint64_t shared;

static void prepare(int threads) { (void)threads; }

static void work(int thread) {
  uint64_t local = churn((uint64_t)thread, 1500);
  while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire)) __builtin_ia32_pause();
  shared = churn(shared + local, 500);
  atomic_flag_clear_explicit(&lock, memory_order_release);
}

const struct program spinlock = {"spinlock", 1000000, false, prepare, work};
