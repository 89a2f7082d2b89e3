/** What vCPUs were found doing, by QEMU's own text, and when they are looked at. The lab looks at real ones. */
import { describe, expect, test } from "vitest";
import { CommandError } from "../port.ts";
import type { Timers } from "../timers.ts";
import { type QmpConnection, QmpError } from "./qmp_connection.ts";
import {
  bytesIn,
  createSpinLooks,
  doingOf,
  type Lookable,
  partThatSpins,
  REST_AFTER_FAILURE_MS,
  registersIn,
  VCPUS_PER_LOOK_MAX,
  type VcpuDoing,
} from "./spin_looks.ts";

const KERNEL = "RIP=ffffffffb56655c1 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0";
const MASKED = "RIP=ffffffffb56655c1 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0";
const HALTED = "RIP=ffffffffb56655c1 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1";
const USER = "RIP=00005581c0a01234 RFL=00000206 [-----P-] CPL=3 II=0 A20=1 SMM=0 HLT=0";
const OLD = "EIP=c0123456 EFL=00000206 [-----P-] CPL=0 II=0 A20=1 SMM=0 HLT=0";
const ARM = "PC=ffff800008e2f0b4 X00=0000000000000000 X01=0000000000000001";

/** As QEMU prints registers: others stand before and after. */
const printed = (line: string) => `\r\nCPU#0\r\nRAX=000 RBX=001\r\n${line}\r\nES =0000 0 ffffffff\r\n`;
/** Nine bytes, eight in a line; those that nothing is said of are NOPs. */
const memory = (bytes: string) => {
  const all = [...bytes.split(" "), ...Array<string>(9).fill("0x90")].slice(0, 9);
  return `ffffffffb56655bf: ${all.slice(0, 8).join(" ")}\r\nffffffffb56655c7: ${all[8]}\r\n`;
};
/** pause; mov 0xffffffffff5fc300,%eax: whether the last interrupt has been sent; and the same of memory. */
const ICR = memory("0xf3 0x90 0x8b 0x04 0x25 0x00 0xc3 0x5f 0xff");
const LOCK = memory("0xf3 0x90 0x8b 0x04 0x25 0x00 0xc3 0x5f 0x00");

describe("one vCPU", () => {
  test.each<[why: string, line: string, text: string, doing: VcpuDoing]>([
    ["a PAUSE was the last instruction", KERNEL, memory("0xf3 0x90 0x8b 0x07"), "spins"],
    ["a PAUSE is the next", KERNEL, memory("0x8b 0x07 0xf3 0x90"), "spins"],
    ["in a program", USER, memory("0xf3 0x90 0x8b 0x07"), "spins"],
    ["of 32 bits", OLD, memory("0xf3 0x90 0x8b 0x07"), "spins"],
    ["with interrupts disabled", MASKED, memory("0xf3 0x90 0x8b 0x07"), "spins"],
    ["half of a PAUSE is none", USER, memory("0x00 0xf3 0x90 0x07"), "works"],
    ["nor is a NOP", USER, memory("0x90 0x90 0x90 0x90"), "works"],
    ["a program", USER, memory("0x48 0x89 0xd8 0xc3"), "works"],
    ["a kernel that takes interrupts", KERNEL, memory("0x48 0x89 0xd8 0xc3"), "works"],
    ["a kernel that takes none", MASKED, memory("0x48 0x89 0xd8 0xc3"), "unknown"],
    ["it reads a device behind a PAUSE", KERNEL, ICR, "works"],
    ["the same with interrupts disabled", MASKED, ICR, "unknown"],
    ["a lock at an address that is written out", KERNEL, LOCK, "spins"],
    ["halted", HALTED, memory("0x48 0x89 0xd8 0xc3"), "halts"],
    ["halted, and its memory is not to be read", HALTED, "Cannot access memory\r\n", "halts"],
    ["just woken", KERNEL, memory("0xfb 0xf4 0xf3 0x90"), "halts"],
    ["just woken, by an interrupt", MASKED, memory("0xfb 0xf4 0xc3 0x90"), "halts"],
    ["memory that cannot be read", USER, "Cannot access memory\r\n", "unknown"],
    ["memory cut short", USER, "ffffffffb56655bf: 0xf3 0x90\r\n", "unknown"],
  ])("%s", (_, line, text, doing) => {
    expect(doingOf(registersIn(printed(line))!, bytesIn(text))).toBe(doing);
  });

  test.each([
    ["of another architecture", printed(ARM)],
    ["nothing", ""],
  ])("registers: %s", (_, text) => {
    expect(registersIn(text)).toBe(null);
  });
});

test.each<[doings: VcpuDoing[], part: number | null]>([
  [[], null],
  [["unknown", "unknown"], null],
  [["spins", "works"], 0.5],
  [["spins", "halts", "unknown", "works", "works", "works"], 0.25],
  [["spins", "unknown"], 1],
  [["halts"], null],
])("of %j spins the part %j", (doings, part) => {
  expect(partThatSpins(doings)).toBe(part);
});

const EVERY_MS = 1_000;

/** A QEMU that answers as `says`, and time that passes when it is told to. */
class Scene {
  readonly asked: { readonly line: string; readonly cpu: number }[] = [];
  says: (line: string, cpu: number) => Promise<string> | string = (line) =>
    line === "info registers" ? printed(USER) : memory("0xf3 0x90 0x8b 0x07");
  cpus: readonly number[] | null = [0, 1];
  /** How often each vCPU was put on a pCPU; `null`: not known. */
  dispatches: number | null = 7;
  /** What waits, in the order in which it began to. */
  waiting: { readonly delay: number; readonly callback: () => void }[] = [];
  readonly #timers: Timers = {
    after: (delay, callback) => {
      const entry = { delay, callback };
      this.waiting.push(entry);
      return () => {
        this.waiting = this.waiting.filter((other) => other !== entry);
      };
    },
  };
  readonly #monitor: QmpConnection = {
    execute: async (_, args) => {
      const { "command-line": line, "cpu-index": cpu } = args as {
        readonly "command-line": string;
        readonly "cpu-index": number;
      };
      this.asked.push({ line, cpu });
      return this.says(line, cpu);
    },
    close: () => undefined,
    ended: new Promise(() => undefined),
  };
  readonly looks;

  constructor(everyMs: number | null = EVERY_MS) {
    const options = { timers: this.#timers, everyMs, where: "/run/a.qmp" };
    this.looks = createSpinLooks(options, (): Lookable | null =>
      this.cpus === null
        ? null
        : {
            monitor: this.#monitor,
            vcpus: this.cpus.map((cpu) => ({ cpu, dispatches: () => this.dispatches })),
          },
    );
  }

  /** The next timer is up, and all that follows from it has happened. */
  async look(): Promise<void> {
    this.waiting.shift()?.callback();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("looking", () => {
  test("asks each vCPU for its registers and for the bytes around its instruction pointer", async () => {
    const scene = new Scene();
    scene.looks.begin();
    expect(scene.looks.spinning()).toBe(null);
    await scene.look();
    expect(scene.asked).toEqual(
      [0, 1].flatMap((cpu) => [
        { line: "info registers", cpu },
        { line: "x/9xb 0x5581c0a01232", cpu },
      ]),
    );
    expect(scene.looks.spinning()).toBe(1);
    expect(scene.waiting.map(({ delay }) => delay)).toEqual([EVERY_MS]);
  });

  test("of a vCPU that was off its pCPU meanwhile nothing is known, and its memory is not asked for", async () => {
    const scene = new Scene();
    const well = scene.says;
    scene.says = (line, cpu) => {
      if (cpu === 1) scene.dispatches!++;
      return well(line, cpu);
    };
    scene.looks.begin();
    await scene.look();
    expect(scene.asked.map(({ line, cpu }) => `${cpu}: ${line}`)).toEqual([
      "0: info registers",
      "0: x/9xb 0x5581c0a01232",
      "1: info registers",
    ]);
    expect(scene.looks.spinning()).toBe(1);
  });

  test("nor where nobody counts how often vCPUs are put on a pCPU", async () => {
    const scene = new Scene();
    scene.dispatches = null;
    scene.looks.begin();
    await scene.look();
    expect(scene.looks.spinning()).toBe(null);
  });

  test("the looks of a second count together, older ones no more", async () => {
    const scene = new Scene(250);
    const spins = scene.says;
    scene.looks.begin();
    await scene.look();
    scene.says = (line) => (line === "info registers" ? printed(USER) : memory("0x48 0x89 0xd8 0xc3"));
    const parts: (number | null)[] = [];
    for (let look = 0; look < 4; look++) {
      await scene.look();
      parts.push(scene.looks.spinning());
    }
    scene.says = spins;
    await scene.look();
    expect([...parts, scene.looks.spinning()]).toEqual([1 / 2, 1 / 3, 1 / 4, 0, 1 / 4]);
  });

  test("never where nobody said how often", () => {
    const scene = new Scene(null);
    scene.looks.begin();
    expect(scene.waiting).toEqual([]);
  });

  test("an instruction pointer with nothing before it is not asked about", async () => {
    const scene = new Scene();
    scene.says = () => printed(USER.replace("00005581c0a01234", "0000000000000001"));
    scene.looks.begin();
    await scene.look();
    expect(scene.asked.map(({ line }) => line)).toEqual(["info registers", "info registers"]);
    expect(scene.looks.spinning()).toBe(null);
  });

  test("many vCPUs have their turn one after the other", async () => {
    const scene = new Scene();
    scene.cpus = Array.from({ length: 20 }, (_, cpu) => cpu);
    scene.looks.begin();
    const seen: number[][] = [];
    for (let look = 0; look < 4; look++) {
      scene.asked.length = 0;
      await scene.look();
      seen.push([...new Set(scene.asked.map(({ cpu }) => cpu))]);
    }
    expect(seen.map((cpus) => cpus.length)).toEqual(Array.from({ length: 4 }, () => VCPUS_PER_LOOK_MAX));
    expect(seen.flat()).toEqual(Array.from({ length: 32 }, (_, n) => n % 20));
  });

  test("not while nobody may be looked at, and again afterwards", async () => {
    const scene = new Scene();
    scene.looks.begin();
    await scene.look();
    scene.cpus = null;
    scene.asked.length = 0;
    await scene.look();
    expect([scene.asked, scene.looks.spinning()]).toEqual([[], null]);
    scene.cpus = [0];
    await scene.look();
    expect(scene.looks.spinning()).toBe(1);
  });

  test("the next look waits for the end of this one", async () => {
    const scene = new Scene();
    scene.says = () => new Promise(() => undefined);
    scene.looks.begin();
    await scene.look();
    expect([scene.asked.length, scene.waiting]).toEqual([1, []]);
  });

  test("no answer: nothing is known, and it is asked again after a rest", async () => {
    const scene = new Scene();
    const well = scene.says;
    scene.looks.begin();
    await scene.look();
    scene.says = () => Promise.reject(new CommandError("timed-out", "no answer"));
    await scene.look();
    expect([scene.looks.spinning(), scene.looks.problems()]).toEqual([null, []]);
    expect(scene.waiting.map(({ delay }) => delay)).toEqual([REST_AFTER_FAILURE_MS]);
    scene.says = well;
    await scene.look();
    expect(scene.looks.spinning()).toBe(1);
    expect(scene.waiting.map(({ delay }) => delay)).toEqual([EVERY_MS]);
  });

  test("what comes of a look at a process that has ended is void", async () => {
    const scene = new Scene();
    let answer: (text: string) => void = () => undefined;
    scene.says = () => new Promise((resolve) => (answer = resolve));
    scene.looks.begin();
    await scene.look();
    scene.looks.end();
    answer(printed(HALTED));
    await scene.look();
    expect([scene.looks.spinning(), scene.waiting]).toEqual([null, []]);
  });
});

describe("a QEMU that is not understood is looked at no more", () => {
  const refused = () => Promise.reject(new QmpError("CommandNotFound", "The command has been disabled"));
  test.each<[why: string, says: Scene["says"]]>([
    ["it refuses the command", refused],
    ["it has other registers", () => printed(ARM)],
  ])("%s", async (_, says) => {
    const scene = new Scene();
    scene.says = says;
    scene.looks.begin();
    await scene.look();
    expect([scene.looks.spinning(), scene.waiting]).toEqual([null, []]);
    expect(scene.looks.problems()).toEqual([
      "/run/a.qmp does not say where its vCPUs are, so it is not seen whether they spin: vbal understands QEMU's `info registers` on x86 only; write spinLooks: none if there are only such guests",
    ]);
    // Another process at the same socket may be another QEMU.
    scene.looks.begin();
    expect([scene.looks.problems(), scene.waiting.length]).toEqual([[], 1]);
  });

  test("but a vCPU that was unplugged meanwhile is refused as well", async () => {
    const scene = new Scene();
    scene.looks.begin();
    scene.says = () => {
      scene.cpus = [0];
      return Promise.reject(new QmpError("GenericError", "Parameter 'cpu-index' expects a CPU number"));
    };
    scene.cpus = [1];
    await scene.look();
    expect([scene.looks.problems(), scene.waiting.length]).toEqual([[], 1]);
  });
});
