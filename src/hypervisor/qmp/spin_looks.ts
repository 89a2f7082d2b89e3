/**
 * Where a guest's vCPUs are, looked at every so often. A vCPU that waits for a sibling in a loop of PAUSE instructions
 * runs, waits and is dispatched as one that computes is; only the place of its instruction pointer tells the two apart.
 *
 * Only those looks count through which the vCPU was on its pCPU. One that was off it answers when it comes back, in the
 * handlers of the interrupts that met it there, or where it lost its pCPU, which is mostly where it woke a sibling.
 *
 * The text that is read here is that of QEMU's monitor for people (docs/assumptions.md): where it says something else
 * than is known here, nobody looks, and `problems` says so.
 */
import type { Milliseconds } from "../../core/units.ts";
import type { Timers } from "../timers.ts";
import { askHumanMonitor } from "./qmp_commands.ts";
import { type QmpConnection, QmpError } from "./qmp_connection.ts";

export interface SpinLooks {
  /** A process was met: from now on it is looked at. */
  begin(): void;
  /** The process has ended. */
  end(): void;
  /** Of the looks of the last second, or the last one, the part of those that count that found a vCPU spinning; `null`: none counts. */
  spinning(): number | null;
  problems(): readonly string[];
}

export interface SpinLooksOptions {
  readonly timers: Timers;
  /** From the end of one look to the next; `null`: never. */
  readonly everyMs: Milliseconds | null;
  /** For messages: the monitor's path. */
  readonly where: string;
}

/** The vCPUs that the guest uses, and whom to ask. */
export interface Lookable {
  readonly monitor: QmpConnection;
  readonly vcpus: readonly LookableVcpu[];
}

export interface LookableVcpu {
  /** QEMU's `cpu-index`. */
  readonly cpu: number;
  /** How often it was put on a pCPU so far; `null`: nobody counts, and no look at it does. */
  readonly dispatches: () => number | null;
}

/** Whoever asks does so once a second. */
const KEPT_MS: Milliseconds = 1_000;
/** Two short questions at most for each vCPU; the others have their turn at the next look. */
export const VCPUS_PER_LOOK_MAX = 8;
const QMP_DEADLINE_MS: Milliseconds = 2_000;
/** A monitor that did not answer is not asked again at once: questions would pile up in front of it. */
export const REST_AFTER_FAILURE_MS: Milliseconds = 10_000;

/** `lookable`: `null` while nobody may be looked at. */
export function createSpinLooks(options: SpinLooksOptions, lookable: () => Lookable | null): SpinLooks {
  const { timers, everyMs, where } = options;
  /** What the last looks found, the newest last. */
  let found: (readonly VcpuDoing[])[] = [];
  let refusal: string | null = null;
  let turn = 0;
  /** A look at an earlier process says nothing of this one. */
  let life = 0;
  let cancel: () => void = () => undefined;

  function lookIn(delay: Milliseconds): void {
    const mine = life;
    cancel = timers.after(delay, () => void lookAndGoOn(mine));
  }
  async function lookAndGoOn(mine: number): Promise<void> {
    const seen = await lookOnce();
    if (mine !== life || everyMs === null) return;
    found = typeof seen === "object" ? [...found, seen].slice(-Math.ceil(KEPT_MS / everyMs)) : [];
    if (seen === "foreign") {
      refusal = `${where} does not say where its vCPUs are, so it is not seen whether they spin: vbal understands QEMU's \`info registers\` on x86 only; write spinLooks: none if there are only such guests`;
    } else if (seen === "failed") lookIn(Math.max(everyMs, REST_AFTER_FAILURE_MS));
    else lookIn(everyMs);
  }
  /** `foreign`: this QEMU is not understood, and never will be. */
  async function lookOnce(): Promise<readonly VcpuDoing[] | "nobody" | "failed" | "foreign"> {
    const seen = lookable();
    if (seen === null) return "nobody";
    const doings: VcpuDoing[] = [];
    for (const vcpu of inTurn(seen.vcpus)) {
      try {
        const doing = await lookAt(seen.monitor, vcpu);
        if (doing === null) return "foreign";
        doings.push(doing);
      } catch (error) {
        // One that was unplugged meanwhile is refused too, and is not there any more.
        const isStillThere = lookable()?.vcpus.some(({ cpu }) => cpu === vcpu.cpu) === true;
        return error instanceof QmpError && isStillThere ? "foreign" : "failed";
      }
    }
    return doings;
  }
  function inTurn(vcpus: readonly LookableVcpu[]): readonly LookableVcpu[] {
    const from = vcpus.length <= VCPUS_PER_LOOK_MAX ? 0 : turn % vcpus.length;
    turn = from + VCPUS_PER_LOOK_MAX;
    return [...vcpus.slice(from), ...vcpus.slice(0, from)].slice(0, VCPUS_PER_LOOK_MAX);
  }
  function end(): void {
    life++;
    cancel();
    found = [];
    refusal = null;
  }

  return {
    begin() {
      end();
      if (everyMs !== null) lookIn(everyMs);
    },
    end,
    spinning: () => partThatSpins(found.flat()),
    problems: () => (refusal === null ? [] : [refusal]),
  };
}

/** `null`: its registers are not those of an x86. */
async function lookAt(monitor: QmpConnection, { cpu, dispatches }: LookableVcpu): Promise<VcpuDoing | null> {
  const ask = (line: string) => askHumanMonitor(monitor, { line, cpu }, QMP_DEADLINE_MS);
  const before = dispatches();
  const registers = registersIn(await ask("info registers"));
  if (registers === null) return null;
  if (before === null || before !== dispatches()) return "unknown";
  const from = registers.pointer - BYTES_BEFORE;
  if (registers.halted || from < 0n) return doingOf(registers, null);
  return doingOf(registers, bytesIn(await ask(`x/${BYTES}xb 0x${from.toString(16)}`)));
}

const BYTES_BEFORE = 2n;
/** Those, and the longest instruction that is told from others. */
const BYTES = 9;

/** `unknown`: it was off its pCPU for a moment, its kernel takes no interrupts, or its memory cannot be read. */
export type VcpuDoing = "halts" | "spins" | "works" | "unknown";

interface Registers {
  /** RIP or EIP: the next instruction. */
  readonly pointer: bigint;
  readonly takesInterrupts: boolean;
  readonly inKernel: boolean;
  readonly halted: boolean;
}

/** What `info registers` printed; `null`: of another architecture. */
export function registersIn(text: string): Registers | null {
  const found = /\b[ER]IP=([0-9a-f]+) [ER]FL=([0-9a-f]+) .*\bCPL=([0-3]) .*\bHLT=([01])/.exec(text);
  if (found === null) return null;
  const [, pointer, flags, ring, halted] = found;
  return {
    pointer: BigInt(`0x${pointer}`),
    takesInterrupts: (Number.parseInt(flags!, 16) & INTERRUPT_FLAG) !== 0,
    inKernel: ring === "0",
    halted: halted === "1",
  };
}

const INTERRUPT_FLAG = 1 << 9;

/** Bytes as `x/9xb` prints them; `null`: the memory cannot be read. */
export function bytesIn(text: string): readonly number[] | null {
  const bytes = [...text.matchAll(/\b0x([0-9a-f]{2})\b/g)].map(([, byte]) => Number.parseInt(byte!, 16));
  return bytes.length === BYTES ? bytes : null;
}

/**
 * `bytes`: two before the instruction pointer and seven from it on. A PAUSE that ends there was the last instruction, as
 * an emulator has it; one that begins there is the next, and takes most of such a loop's time on a real processor. A
 * wider window would take code beside a loop for the loop. A read of a device there takes long by itself: who sends an
 * interrupt stands at one, behind the PAUSE of a loop that it need not run.
 */
export function doingOf(registers: Registers, bytes: readonly number[] | null): VcpuDoing {
  if (registers.halted) return "halts";
  if (bytes === null) return "unknown";
  // It has only just been woken.
  if (bytes[1] === HLT) return "halts";
  if (isPause(bytes, 2) || (isPause(bytes, 0) && !isDeviceRead(bytes, 2))) return "spins";
  // Scheduling, waking, interrupting: what threads cost that meet, and where an emulator lets others look too often.
  return registers.inKernel && !registers.takesInterrupts ? "unknown" : "works";
}

const HLT = 0xf4;

function isPause(bytes: readonly number[], at: number): boolean {
  return bytes[at] === 0xf3 && bytes[at + 1] === 0x90;
}

/** MOV from an address that is written out, among the highest: Linux has its interrupt controller there, on 64 bits. */
function isDeviceRead(bytes: readonly number[], at: number): boolean {
  const [opcode, modrm, sib] = bytes.slice(at);
  return opcode === 0x8b && (modrm! & 0xc7) === 0x04 && sib === 0x25 && bytes[at + 6] === 0xff;
}

/** Of the time in which vCPUs run: halted ones count no more than those that did not tell. */
export function partThatSpins(doings: readonly VcpuDoing[]): number | null {
  const ran = doings.filter((doing) => doing === "spins" || doing === "works");
  return ran.length === 0 ? null : ran.filter((doing) => doing === "spins").length / ran.length;
}
