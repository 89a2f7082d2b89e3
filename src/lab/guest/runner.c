/*
 * The lab's hand inside a guest: starts programs for the host and streams back what they print.
 *
 * Frames both ways, integers little-endian: u32 length of the payload, u32 id of the program, u8 kind, payload.
 *   host to guest   'H' hello: 8 bytes chosen by the host; ends whatever an earlier host had started
 *                   'S' start: argv, each argument ended by a NUL
 *                   'K' kill: u8 signal
 *   guest to host   'H' the same 8 bytes
 *                   'O' standard output, 'E' standard error
 *                   'X' exit: i32 exit code (128 + signal when killed), u64 nanoseconds from start to end
 *
 * It is test load and not product: an impossible frame makes it end, and init starts it anew.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROGRAMS_MAX = 32, PAYLOAD_MAX = 65536, HEADER = 9, ARGUMENTS_MAX = 256, CHUNK = 16384 };

struct program {
  uint32_t id;
  pid_t pid;
  int out, err; /* -1 once closed */
  uint64_t started, ended;
  int status;
};

static struct program programs[PROGRAMS_MAX]; /* pid 0: a free slot; pid -1: ended, output not yet drained */
static int port;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void send_all(const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = write(port, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return; /* the host went away; the next hello starts afresh */
    bytes += n;
    length -= (size_t)n;
  }
}

static void send_frame(uint32_t id, char kind, const void *payload, uint32_t length) {
  static uint8_t frame[HEADER + CHUNK];
  memcpy(frame, &length, 4);
  memcpy(frame + 4, &id, 4);
  frame[8] = (uint8_t)kind;
  memcpy(frame + HEADER, payload, length);
  send_all(frame, HEADER + length);
}

static void start(uint32_t id, char *payload, uint32_t length) {
  struct program *p = programs;
  while (p < programs + PROGRAMS_MAX && p->pid != 0) p++;
  char *argv[ARGUMENTS_MAX + 1];
  int count = 0;
  for (uint32_t at = 0; at < length && count < ARGUMENTS_MAX; at += (uint32_t)strlen(payload + at) + 1)
    argv[count++] = payload + at;
  argv[count] = NULL;
  int out[2], err[2];
  if (p == programs + PROGRAMS_MAX || count == 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0) {
    const char why[] = "runner: too many programs at once\n";
    uint8_t result[12] = {126};
    send_frame(id, 'E', why, sizeof why - 1);
    send_frame(id, 'X', result, sizeof result);
    return;
  }
  p->id = id;
  p->out = out[0];
  p->err = err[0];
  p->started = now();
  p->pid = fork();
  if (p->pid == 0) {
    setpgid(0, 0);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    signal(SIGPIPE, SIG_DFL);
    execvp(argv[0], argv);
    dprintf(2, "runner: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
}

static void end_all(void) {
  for (struct program *p = programs; p < programs + PROGRAMS_MAX; p++) {
    if (p->pid == 0) continue;
    if (p->pid > 0) {
      kill(-p->pid, SIGKILL);
      waitpid(p->pid, NULL, 0);
    }
    if (p->out >= 0) close(p->out);
    if (p->err >= 0) close(p->err);
    p->pid = 0;
  }
}

static void obey(uint32_t id, char kind, char *payload, uint32_t length) {
  switch (kind) {
    case 'H':
      end_all();
      send_frame(0, 'H', payload, length);
      return;
    case 'S':
      start(id, payload, length);
      return;
    case 'K':
      for (struct program *p = programs; p < programs + PROGRAMS_MAX; p++)
        if (p->pid > 0 && p->id == id && length == 1) kill(-p->pid, payload[0]);
      return;
    default:
      exit(1);
  }
}

/* Takes whole frames out of what has arrived; a host that left in the middle of one is followed by a new hello. */
static void read_port(void) {
  static char buffer[HEADER + PAYLOAD_MAX + 1];
  static size_t filled;
  ssize_t n = read(port, buffer + filled, HEADER + PAYLOAD_MAX - filled);
  if (n == 0) { /* nobody is at the other end */
    filled = 0;
    end_all();
    usleep(20000);
    return;
  }
  if (n < 0) {
    if (errno != EINTR && errno != EAGAIN) exit(1);
    return;
  }
  filled += (size_t)n;
  while (filled >= HEADER) {
    uint32_t length, id;
    memcpy(&length, buffer, 4);
    memcpy(&id, buffer + 4, 4);
    if (length > PAYLOAD_MAX) exit(1);
    if (filled < HEADER + length) return;
    char after = buffer[HEADER + length];
    buffer[HEADER + length] = 0;
    obey(id, buffer[8], buffer + HEADER, length);
    buffer[HEADER + length] = after;
    filled -= HEADER + length;
    memmove(buffer, buffer + HEADER + length, filled);
  }
}

static void forward(uint32_t id, char kind, int *pipe_end) {
  static uint8_t chunk[CHUNK];
  ssize_t n = read(*pipe_end, chunk, sizeof chunk);
  if (n > 0) {
    send_frame(id, kind, chunk, (uint32_t)n);
  } else if (n == 0 || errno != EINTR) {
    close(*pipe_end);
    *pipe_end = -1;
  }
}

static void report_if_over(struct program *p) {
  if (p->pid != -1 || p->out >= 0 || p->err >= 0) return;
  int32_t code = WIFEXITED(p->status) ? WEXITSTATUS(p->status) : 128 + WTERMSIG(p->status);
  uint64_t took = p->ended - p->started;
  uint8_t result[12];
  memcpy(result, &code, 4);
  memcpy(result + 4, &took, 8);
  send_frame(p->id, 'X', result, sizeof result);
  p->pid = 0;
}

static int woken[2]; /* a pipe that the signal of an ended program writes to, so that poll wakes up */

static void on_child(int signal_number) {
  (void)signal_number;
  int saved = errno;
  if (write(woken[1], "", 1) < 0) { /* full: poll wakes up anyway */
  }
  errno = saved;
}

static void reap(void) {
  char drained[64];
  while (read(woken[0], drained, sizeof drained) == (ssize_t)sizeof drained) {
  }
  for (struct program *p = programs; p < programs + PROGRAMS_MAX; p++) {
    if (p->pid > 0 && waitpid(p->pid, &p->status, WNOHANG) == p->pid) {
      p->ended = now();
      p->pid = -1;
    }
  }
}

int main(int argc, char **argv) {
  port = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
  if (port < 0 || pipe2(woken, O_CLOEXEC | O_NONBLOCK) < 0) {
    perror("runner");
    return 1;
  }
  signal(SIGPIPE, SIG_IGN);
  struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART};
  sigaction(SIGCHLD, &action, NULL);
  for (;;) {
    struct pollfd fds[2 + 2 * PROGRAMS_MAX] = {{port, POLLIN, 0}, {woken[0], POLLIN, 0}};
    for (int i = 0; i < PROGRAMS_MAX; i++) {
      struct program *p = &programs[i];
      fds[2 + 2 * i] = (struct pollfd){p->pid != 0 ? p->out : -1, POLLIN, 0};
      fds[3 + 2 * i] = (struct pollfd){p->pid != 0 ? p->err : -1, POLLIN, 0};
    }
    if (poll(fds, 2 + 2 * PROGRAMS_MAX, -1) < 0) continue;
    if (fds[1].revents) reap();
    for (int i = 0; i < PROGRAMS_MAX; i++) {
      struct program *p = &programs[i];
      if (fds[2 + 2 * i].revents) forward(p->id, 'O', &p->out);
      if (fds[3 + 2 * i].revents) forward(p->id, 'E', &p->err);
      report_if_over(p);
    }
    if (fds[0].revents) read_port();
  }
}
