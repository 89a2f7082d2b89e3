/** The guest programs: what each is called, and the command that runs it with a fixed amount of work. */
export const GUEST_PROGRAMS = [
  "compute",
  "spin-barrier",
  "futex-barrier",
  "spinlock",
  "mm",
  "hackbench",
  "pigz",
  "stress-ng",
] as const;

export type GuestProgram = (typeof GUEST_PROGRAMS)[number];

export interface ProgramOptions {
  /** One per vCPU that is online at the start when absent. */
  readonly threads?: number;
  /** The amount of work; 1 is some seconds on one emulated vCPU, and the same for every number of threads. */
  readonly scale?: number;
}

export interface RateOptions {
  readonly threads?: number;
  readonly seconds: number;
  /** Start the threads again whenever the number of online vCPUs changes; not together with `threads`. */
  readonly follow?: boolean;
}

/** The guest's command line for a fixed amount of work. */
export function commandFor(program: GuestProgram, { threads, scale = 1 }: ProgramOptions): readonly string[] {
  const count = threads === undefined ? "$(nproc)" : String(threads);
  switch (program) {
    case "compute":
    case "spin-barrier":
    case "futex-barrier":
    case "spinlock":
    case "mm":
      return ["/lab/load", program, "--scale", String(scale), ...threadsOption(threads)];
    case "hackbench":
      return [
        "hackbench",
        "--threads",
        "--pipe",
        "-g",
        "1",
        "-f",
        "8",
        "-s",
        "100",
        "-l",
        times(4_000, scale),
      ];
    case "pigz":
      return shell(
        `for i in $(seq ${times(6, scale)}); do cat /usr/bin/stress-ng; done | pigz -p ${count} > /dev/null`,
      );
    case "stress-ng":
      // Its operations are those of all workers together, as its own metrics show: as many for one worker as for four.
      return shell(
        `stress-ng --quiet --temp-path /tmp --mmapmany ${count} --mmapmany-ops ${times(1_500, scale)}`,
      );
  }
}

/** The guest's command line for work by the clock; only our own programs can count it. */
export function rateCommandFor(program: GuestProgram, options: RateOptions): readonly string[] {
  if (!COUNTS_ITS_WORK.has(program)) {
    throw new Error(
      `${program} does not count its work as it goes: take one of ${[...COUNTS_ITS_WORK].join(", ")}`,
    );
  }
  const follow = options.follow === true ? ["--follow"] : [];
  return [
    "/lab/load",
    program,
    "--for",
    String(options.seconds),
    ...threadsOption(options.threads),
    ...follow,
  ];
}

const COUNTS_ITS_WORK: ReadonlySet<GuestProgram> = new Set<GuestProgram>([
  "compute",
  "spin-barrier",
  "futex-barrier",
  "spinlock",
  "mm",
]);

function threadsOption(threads: number | undefined): readonly string[] {
  return threads === undefined ? [] : ["--threads", String(threads)];
}

function times(amount: number, scale: number): string {
  return String(Math.max(1, Math.round(amount * scale)));
}

function shell(script: string): readonly string[] {
  return ["sh", "-c", script];
}
