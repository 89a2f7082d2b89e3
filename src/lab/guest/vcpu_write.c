/*
 * Takes a vCPU offline and brings it back by the bare write to sysfs, and prints how long each write(2) took by the
 * guest's clock: what every other way to do it is measured against.
 *   vcpu_write NUMBER
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t timed_write(int file, const char *digit) {
  uint64_t begin = now();
  if (pwrite(file, digit, 1, 0) != 1) {
    perror("vcpu_write: the kernel refused");
    exit(1);
  }
  return now() - begin;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: vcpu_write NUMBER\n");
    return 2;
  }
  char path[64];
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/online", atoi(argv[1]));
  int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) {
    perror(path);
    return 1;
  }
  uint64_t offline = timed_write(file, "0");
  uint64_t online = timed_write(file, "1");
  printf("{\"offline\":%.3f,\"online\":%.3f}\n", (double)offline / 1e6, (double)online / 1e6);
  return 0;
}
