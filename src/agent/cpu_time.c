/*
 * How long this process has run, in milliseconds, in the kernel and outside, with the programs that it started and that
 * have ended. Two calls into the kernel: cheap enough to ask before and after everything that the load monitor does. For
 * QuickJS: import { cpuMs, goFirst, vcpuNow } from "cpu_time"; vcpuNow() is the vCPU that this program is on, goFirst(nice) gives
 * this thread, and all that it starts, that precedence, where it may.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include "quickjs-libc.h"

static double ms_of(struct timeval time) { return (double)time.tv_sec * 1e3 + (double)time.tv_usec / 1e3; }

static JSValue cpu_ms(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
  struct timespec own = {0, 0};
  struct rusage ended = {0};
  (void)this, (void)count, (void)arguments;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
  getrusage(RUSAGE_CHILDREN, &ended);
  double ms = (double)own.tv_sec * 1e3 + (double)own.tv_nsec / 1e6;
  return JS_NewFloat64(context, ms + ms_of(ended.ru_utime) + ms_of(ended.ru_stime));
}

static JSValue vcpu_now(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
  (void)this, (void)count, (void)arguments;
  return JS_NewInt32(context, sched_getcpu());
}

static JSValue go_first(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
  int nice = 0;
  (void)this;
  if (count < 1 || JS_ToInt32(context, &nice, arguments[0]) != 0) return JS_EXCEPTION;
  return JS_NewInt32(context, setpriority(PRIO_PROCESS, 0, nice));
}

static const JSCFunctionListEntry exports[] = {JS_CFUNC_DEF("cpuMs", 0, cpu_ms), JS_CFUNC_DEF("goFirst", 1, go_first),
                                               JS_CFUNC_DEF("vcpuNow", 0, vcpu_now)};

static int initialise(JSContext *context, JSModuleDef *module) {
  return JS_SetModuleExportList(context, module, exports, sizeof exports / sizeof *exports);
}

JSModuleDef *js_init_module_cpu_time(JSContext *context, const char *name) {
  JSModuleDef *module = JS_NewCModule(context, name, initialise);
  if (module != NULL) JS_AddModuleExportList(context, module, exports, sizeof exports / sizeof *exports);
  return module;
}
