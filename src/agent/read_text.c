/*
 * Reads a whole small file into a string, one character per byte. In JavaScript every byte would become a value first,
 * which took half of the load monitor's time. For QuickJS: import { readText } from "read_text";
 * readText(path, bytesMax) answers null when the file cannot be read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "quickjs-libc.h"

/* What a string takes is UTF-8: a byte beyond ASCII, as in a program's name, becomes two. */
static JSValue text_of(JSContext *context, const unsigned char *bytes, size_t length) {
  size_t wide = 0;
  for (size_t i = 0; i < length; i++) wide += bytes[i] >> 7;
  if (wide == 0) return JS_NewStringLen(context, (const char *)bytes, length);
  char *utf8 = malloc(length + wide), *end = utf8;
  if (utf8 == NULL) return JS_ThrowOutOfMemory(context);
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] < 0x80) {
      *end++ = (char)bytes[i];
    } else {
      *end++ = (char)(0xc0 | bytes[i] >> 6);
      *end++ = (char)(0x80 | (bytes[i] & 0x3f));
    }
  }
  JSValue text = JS_NewStringLen(context, utf8, length + wide);
  free(utf8);
  return text;
}

/* One buffer for all files, as long as the longest so far: most are some hundred bytes. */
static unsigned char *buffer;
static size_t size;
enum { SIZE_FIRST = 16384 };

static int make_room(size_t length, size_t most) {
  if (length < size) return 1;
  size_t wanted = size == 0 ? SIZE_FIRST : 2 * size;
  if (wanted > most) wanted = most;
  unsigned char *larger = wanted > size ? realloc(buffer, wanted) : NULL;
  if (larger == NULL) return 0;
  buffer = larger;
  size = wanted;
  return 1;
}

static JSValue read_text(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
  int64_t most = 0;
  (void)this;
  if (count < 2 || JS_ToInt64(context, &most, arguments[1]) != 0 || most <= 0) return JS_EXCEPTION;
  const char *path = JS_ToCString(context, arguments[0]);
  if (path == NULL) return JS_EXCEPTION;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  JS_FreeCString(context, path);
  if (file < 0) return JS_NULL;
  size_t length = 0;
  ssize_t got = 0;
  while (length < (size_t)most && make_room(length, (size_t)most)) {
    got = read(file, buffer + length, size - length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    length += (size_t)got;
  }
  close(file);
  return got < 0 ? JS_NULL : text_of(context, buffer, length);
}

static const JSCFunctionListEntry exports[] = {JS_CFUNC_DEF("readText", 2, read_text)};

static int initialise(JSContext *context, JSModuleDef *module) {
  return JS_SetModuleExportList(context, module, exports, sizeof exports / sizeof *exports);
}

JSModuleDef *js_init_module_read_text(JSContext *context, const char *name) {
  JSModuleDef *module = JS_NewCModule(context, name, initialise);
  if (module != NULL) JS_AddModuleExportList(context, module, exports, sizeof exports / sizeof *exports);
  return module;
}
