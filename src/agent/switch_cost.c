/*
 * The direct cost of a context switch on this guest, for the load monitor: the one thing the agent needs that
 * JavaScript cannot do. A child process binds itself to the vCPU it is on; there two threads, then two processes,
 * hand a byte to and fro through pipes. What the same reads and writes cost without a switch is measured too and
 * subtracted. Everything is done in batches, of which the first quartile counts: others were disturbed, and on a crowded
 * host that may be most of them. So the cost holds what blocking, waking and switching take, and not what colder caches
 * cost afterwards.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "quickjs-libc.h"

enum { ROUNDS = 8, BATCHES_MIN = 16, BATCHES_MAX = 1000, PATIENCE = 3, NS_PER_MS = 1000000 };

/* Times of one round in nanoseconds; negative when it could not be measured. */
struct result {
  double alone, threads, processes;
};

static int there[2], back[2];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int pass(int to, int from) {
  char byte = 0;
  return write(to, &byte, 1) == 1 && read(from, &byte, 1) == 1;
}

/* Gives back every byte until the pipe ends. */
static void *echo(void *unused) {
  char byte;
  while (read(there[0], &byte, 1) == 1 && byte == 0 && write(back[1], &byte, 1) == 1) continue;
  return unused;
}

static int ascending(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

/* The first quartile of the batches within the time, per round. Two passes through own pipes make as many calls as one round trip. */
static double quartile(double ns, int alone) {
  static double took[BATCHES_MAX];
  int batches = 0;
  for (double end = now() + ns; batches < BATCHES_MAX; batches++) {
    if (now() > end && (batches >= BATCHES_MIN || now() > end + PATIENCE * ns)) break;
    double start = now();
    for (int i = 0; i < ROUNDS; i++) {
      int done = alone ? pass(there[1], there[0]) && pass(back[1], back[0]) : pass(there[1], back[0]);
      if (!done) return -1;
    }
    took[batches] = (now() - start) / ROUNDS;
  }
  if (batches == 0) return -1;
  qsort(took, (size_t)batches, sizeof *took, ascending);
  return took[batches / 4];
}

static void stop_echo(void) {
  char last = 1;
  if (write(there[1], &last, 1) != 1) _exit(1);
}

static double between_threads(double ns) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, echo, NULL) != 0) return -1;
  double round = quartile(ns, 0);
  stop_echo();
  pthread_join(thread, NULL);
  return round;
}

static double between_processes(double ns) {
  pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    echo(NULL);
    _exit(0);
  }
  double round = quartile(ns, 0);
  stop_echo();
  waitpid(child, NULL, 0);
  return round;
}

static struct result measure(double ns) {
  struct result result = {-1, -1, -1};
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(sched_getcpu(), &here);
  if (sched_setaffinity(0, sizeof here, &here) != 0 || pipe(there) != 0 || pipe(back) != 0) return result;
  result.alone = quartile(ns / 3, 1);
  result.threads = between_threads(ns / 3);
  result.processes = between_processes(ns / 3);
  return result;
}

/* In a process of its own, which leaves nothing behind: no affinity, no thread, no memory. */
static int measure_apart(double ns, struct result *result) {
  int answer[2];
  if (pipe(answer) != 0) return 0;
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    *result = measure(ns);
    _exit(write(answer[1], result, sizeof *result) == sizeof *result ? 0 : 1);
  }
  close(answer[1]);
  int done = child > 0 && read(answer[0], result, sizeof *result) == sizeof *result;
  close(answer[0]);
  if (child > 0) waitpid(child, NULL, 0);
  return done && result->alone > 0 && result->threads > 0 && result->processes > 0;
}

/* A round trip has two switches. Under noise the difference may vanish, but it is never negative. */
static double per_switch(double round, double alone) { return round > alone ? (round - alone) / 2 : 0; }

static JSValue measure_switches(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
  double ms = 0;
  struct result result;
  (void)this;
  if (count < 1 || JS_ToFloat64(context, &ms, arguments[0]) != 0) return JS_EXCEPTION;
  if (!measure_apart(ms * NS_PER_MS, &result))
    return JS_NewString(context, "two processes could not be bound to one vCPU");
  JSValue object = JS_NewObject(context);
  JS_SetPropertyStr(context, object, "sameProcessNs", JS_NewFloat64(context, per_switch(result.threads, result.alone)));
  JS_SetPropertyStr(context, object, "otherProcessNs",
                    JS_NewFloat64(context, per_switch(result.processes, result.alone)));
  return object;
}

static const JSCFunctionListEntry exports[] = {JS_CFUNC_DEF("measureSwitches", 1, measure_switches)};

static int initialise(JSContext *context, JSModuleDef *module) {
  return JS_SetModuleExportList(context, module, exports, sizeof exports / sizeof *exports);
}

JSModuleDef *js_init_module_switch_cost(JSContext *context, const char *name) {
  JSModuleDef *module = JS_NewCModule(context, name, initialise);
  if (module != NULL) JS_AddModuleExportList(context, module, exports, sizeof exports / sizeof *exports);
  return module;
}
