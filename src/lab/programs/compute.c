/* Compute only: threads that never meet. Double scheduling costs it nothing, so it measures overhead. */
#include "load.h"

static void prepare(int threads) { (void)threads; }

static void work(int thread) { sink = churn((uint64_t)thread, 20000); }

const struct program compute = {"compute", 100000, false, prepare, work};
