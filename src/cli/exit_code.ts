/** How a command ended, for scripts; `vbal --help` lists them. */
export const EXIT_CODE = {
  ok: 0,
  /** The command could not do what it was asked. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** No daemon answers. */
  noDaemon: 3,
  /** A config file, host description or journal is wrong or not readable. */
  badFile: 4,
} as const;

export type ExitCode = (typeof EXIT_CODE)[keyof typeof EXIT_CODE];
