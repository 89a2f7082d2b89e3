/*
 * Watches the run queues in a thread of its own, so that a guest at rest wakes a few pages of code twice a second and not
 * the whole interpreter: under emulation that is a tenth of the cost. For QuickJS:
 *   import { arm, before, disarm } from "queue_watch";
 * arm(path, everyMs, waitingMin, arrivalsMax) begins anew and answers a file that becomes readable, once, when between two
 * readings threads waited for vCPUs, waitingMin on average over all, or arrivalsMax a second came to them, or a vCPU came or
 * went; negative where there is nothing to read. before() is then the earlier of the two readings; disarm() ends it and
 * answers what it took. sources/queue_watch.ts has the same in TypeScript.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "quickjs-libc.h"

enum { TEXT_MAX = 262144, STACK_BYTES = 65536, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

struct reading {
  char text[TEXT_MAX];
  size_t length;
  double at_ms;
  /* Sums over all vCPUs, and which they are. */
  double waited_ns, arrivals;
  unsigned long vcpus;
};

/* What is not touched takes no memory: most guests' readings have a kilobyte. */
static struct reading readings[2];
static int earlier;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static int running, armed, arming, file = -1, told[2] = {-1, -1};
static double every_ms, waiting_min, arrivals_max;
/* Since it was armed. */
static int taken;
static double used_ms;

static double ms_of(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / NS_PER_MS;
}

/* A vCPU's line is its name and nine numbers; the last two are waiting time in nanoseconds and switches to threads. */
static void sum_up(struct reading *reading) {
  reading->waited_ns = reading->arrivals = 0;
  reading->vcpus = 0;
  for (char *line = strstr(reading->text, "\ncpu"); line != NULL; line = strstr(line + 1, "\ncpu")) {
    char *at = line + sizeof "\ncpu" - 1;
    reading->vcpus = reading->vcpus * 31 + strtoul(at, &at, 10) + 1;
    for (int field = 1; field <= 7; field++) strtod(at, &at);
    reading->waited_ns += strtod(at, &at);
    reading->arrivals += strtod(at, &at);
  }
}

static void take(struct reading *reading) {
  reading->length = 0;
  for (ssize_t got = 1; got > 0 && reading->length < TEXT_MAX - 1; reading->length += (size_t)got) {
    got = pread(file, reading->text + reading->length, TEXT_MAX - 1 - reading->length, (off_t)reading->length);
    if (got < 0) break;
  }
  reading->text[reading->length] = 0;
  reading->at_ms = ms_of(CLOCK_MONOTONIC);
  sum_up(reading);
  taken++;
}

static int stirs(const struct reading *before, const struct reading *now) {
  double ms = now->at_ms - before->at_ms;
  return before->vcpus != now->vcpus || waiting_min * ms * NS_PER_MS <= now->waited_ns - before->waited_ns ||
         arrivals_max * ms / 1e3 < now->arrivals - before->arrivals;
}

/* Until then, or until somebody arms or disarms. */
static void wait_until(double at_ms) {
  long long ns = (long long)(at_ms * NS_PER_MS);
  struct timespec due = {ns / NS_PER_S, ns % NS_PER_S};
  int round = arming;
  while (round == arming && pthread_cond_timedwait(&changed, &lock, &due) != ETIMEDOUT) continue;
}

static void *watch(void *unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (!armed) pthread_cond_wait(&changed, &lock);
    int round = arming;
    double start_ms = ms_of(CLOCK_THREAD_CPUTIME_ID);
    take(&readings[earlier]);
    while (round == arming) {
      wait_until(readings[earlier].at_ms + every_ms);
      if (round != arming) break;
      take(&readings[1 - earlier]);
      used_ms = ms_of(CLOCK_THREAD_CPUTIME_ID) - start_ms;
      if (stirs(&readings[earlier], &readings[1 - earlier])) {
        armed = 0;
        if (write(told[1], "", 1) == 1) break;
      }
      earlier = 1 - earlier;
    }
  }
  return NULL;
}

static int start_thread(void) {
  pthread_t thread;
  pthread_attr_t small;
  pthread_condattr_t steady;
  if (pipe2(told, O_NONBLOCK | O_CLOEXEC) != 0) return 0;
  pthread_condattr_init(&steady);
  pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
  pthread_cond_init(&changed, &steady);
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, STACK_BYTES);
  pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
  return pthread_create(&thread, &small, watch, NULL) == 0;
}

static void forget_what_was_told(void) {
  char byte;
  while (read(told[0], &byte, 1) == 1) continue;
}

static JSValue arm(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
  double every = 0, waiting = 0, arrivals = 0;
  (void)this;
  if (count < 4 || JS_ToFloat64(context, &every, arguments[1]) != 0 ||
      JS_ToFloat64(context, &waiting, arguments[2]) != 0 || JS_ToFloat64(context, &arrivals, arguments[3]) != 0)
    return JS_EXCEPTION;
  if (file < 0) {
    const char *path = JS_ToCString(context, arguments[0]);
    if (path == NULL) return JS_EXCEPTION;
    file = open(path, O_RDONLY | O_CLOEXEC);
    JS_FreeCString(context, path);
  }
  if (file < 0 || (!running && !(running = start_thread()))) return JS_NewInt32(context, -1);
  pthread_mutex_lock(&lock);
  forget_what_was_told();
  every_ms = every, waiting_min = waiting, arrivals_max = arrivals;
  armed = 1, arming++, taken = 0, used_ms = 0;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
  return JS_NewInt32(context, told[0]);
}

static JSValue disarm(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
  (void)this, (void)count, (void)arguments;
  JSValue cost = JS_NewObject(context);
  if (running) {
    pthread_mutex_lock(&lock);
    armed = 0, arming++;
    forget_what_was_told();
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
  }
  JS_SetPropertyStr(context, cost, "readings", JS_NewInt32(context, taken));
  JS_SetPropertyStr(context, cost, "cpuMs", JS_NewFloat64(context, used_ms));
  return cost;
}

static JSValue before(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
  (void)this, (void)count, (void)arguments;
  pthread_mutex_lock(&lock);
  JSValue object = JS_NewObject(context);
  JS_SetPropertyStr(context, object, "atMs", JS_NewFloat64(context, readings[earlier].at_ms));
  JS_SetPropertyStr(context, object, "text",
                    JS_NewStringLen(context, readings[earlier].text, readings[earlier].length));
  pthread_mutex_unlock(&lock);
  return object;
}

static const JSCFunctionListEntry exports[] = {JS_CFUNC_DEF("arm", 4, arm), JS_CFUNC_DEF("disarm", 0, disarm),
                                               JS_CFUNC_DEF("before", 0, before)};

static int initialise(JSContext *context, JSModuleDef *module) {
  return JS_SetModuleExportList(context, module, exports, sizeof exports / sizeof *exports);
}

JSModuleDef *js_init_module_queue_watch(JSContext *context, const char *name) {
  JSModuleDef *module = JS_NewCModule(context, name, initialise);
  if (module != NULL) JS_AddModuleExportList(context, module, exports, sizeof exports / sizeof *exports);
  return module;
}
