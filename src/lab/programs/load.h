/*
 * What every guest program is made of: rounds of work. Thread t of n does its rounds one after another; the total
 * number of rounds is the same for every n, so that times of different thread counts compare.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stdint.h>

struct program {
  const char *name;
  /* Rounds of a run at scale 1: some seconds on one emulated vCPU. */
  uint64_t rounds;
  /* Its threads wait for each other in every round, so all of them must stop after the same one. */
  bool in_step;
  void (*prepare)(int threads);
  void (*round)(int thread);
};

extern const struct program compute, spin_barrier, futex_barrier, spinlock, mm;

/* Arithmetic that no compiler can shorten; `units` of it take about as many nanoseconds on a real pCPU. */
uint64_t churn(uint64_t seed, uint64_t units);

/* The result of churn goes here, so that it counts as used. */
extern volatile uint64_t sink;

#endif
