/**
 * The twins of the small model: the same rules as programs on other engines. Each takes six numbers, prints one line of JSON,
 * and measures its own processor time. Equal configs give equal digests.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type MiniConfig, runMini2l } from "./mini2l.ts";

export const TWINS = ["cxx", "simpy", "simjs"] as const;
export type TwinName = (typeof TWINS)[number];

export interface TwinRun {
  readonly digest: number;
  /** Of processor time, without start and compilation. */
  readonly seconds: number;
}

/** How to run it, or in one sentence why it cannot be run here and what to do. */
export type Twin =
  | { readonly name: TwinName; readonly run: (config: MiniConfig) => TwinRun }
  | { readonly name: TwinName; readonly missing: string };

/** The twins that this machine can run, for as long as `use` takes. */
export function withTwins<Result>(use: (twins: readonly Twin[]) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), "vbal-bench-"));
  try {
    return use(prepareTwins(folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Compiles the C++ twin into `folder`. */
export function prepareTwins(folder: string): readonly Twin[] {
  return [cxxTwin(join(folder, "mini2l")), simpyTwin(), simjsTwin()];
}

/** Throws when a twin's digest is not ours. */
export function checkedRun(twin: Extract<Twin, { run: unknown }>, config: MiniConfig): TwinRun {
  const theirs = twin.run(config);
  const ours = runMini2l(config).digest;
  if (theirs.digest === ours) return theirs;
  throw new Error(
    `${twin.name} has digest ${theirs.digest}, ours is ${ours}, for ${JSON.stringify(config)}: one has changed its rules`,
  );
}

function cxxTwin(binary: string): Twin {
  try {
    // Contraction into fused multiply-add would round differently from JavaScript.
    execFileSync("g++", ["-O3", "-march=native", "-ffp-contract=off", "-o", binary, inSource("mini2l.cpp")]);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== "ENOENT") throw fault;
    return { name: "cxx", missing: missing("g++", "the C++ twin") };
  }
  return { name: "cxx", run: (config) => runProgram(binary, [], config) };
}

/** Debian's own Python, to which its packages belong. */
const PYTHON = "/usr/bin/python3";

function simpyTwin(): Twin {
  try {
    execFileSync(PYTHON, ["-c", "import SimPy.Simulation"], { stdio: "ignore" });
  } catch {
    return { name: "simpy", missing: missing("python3-simpy", "SimPy") };
  }
  return { name: "simpy", run: (config) => runProgram(PYTHON, [inSource("mini2l_simpy.py")], config) };
}

function simjsTwin(): Twin {
  const program = fileURLToPath(new URL("../../../dist/bench/sim/mini2l_simjs.js", import.meta.url));
  if (!existsSync(program))
    return { name: "simjs", missing: `There is no ${program}: build first (npx tsc -b)` };
  return { name: "simjs", run: (config) => runProgram(process.execPath, [program], config) };
}

function missing(debianPackage: string, what: string): string {
  return `${what} was left out, since ${debianPackage} is not installed: node scripts/setup.mjs --for bench`;
}

function inSource(file: string): string {
  return fileURLToPath(new URL(`../../../src/bench/sim/${file}`, import.meta.url));
}

function runProgram(program: string, before: readonly string[], config: MiniConfig): TwinRun {
  const { pcpus, domains, vcpus, sections, seed, events } = config;
  const numbers = [pcpus, domains, vcpus, sections, seed, events].map(String);
  return JSON.parse(execFileSync(program, [...before, ...numbers], { encoding: "utf8" })) as TwinRun;
}
