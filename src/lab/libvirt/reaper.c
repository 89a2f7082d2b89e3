/*
 * Runs a command and is the parent of everything below it that has lost its own. libvirt gives each QEMU to the first
 * process of the machine, waits until a QEMU that it ends is gone, and asks the kernel for that, which counts one that
 * nobody has collected yet. The first process of a container may collect every two seconds only; this one does at once.
 * It ends when nothing is left below it; the command ends with it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: reaper COMMAND [ARGUMENT...]\n");
    return 2;
  }
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    perror("reaper: prctl");
    return 1;
  }
  pid_t child = fork();
  if (child < 0) {
    perror("reaper: fork");
    return 1;
  }
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[1], argv + 1);
    perror("reaper: exec");
    _exit(127);
  }
  while (0 < wait(NULL) || errno == EINTR) {
  }
  return 0;
}
