/*
 * mmap, touch, munmap by all threads of one process: they share the address space's lock, and every munmap asks
 * the other vCPUs to flush their TLBs and waits for all of them, running or not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "load.h"

enum { PAGES = 16, PAGE = 4096 };

static void prepare(int threads) { (void)threads; }

static void work(int thread) {
  char *area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED) {
    perror("mm: mmap");
    exit(1);
  }
  for (int page = 0; page < PAGES; page++) area[page * PAGE] = (char)thread;
  munmap(area, PAGES * PAGE);
}

const struct program mm = {"mm", 8000, false, prepare, work};
