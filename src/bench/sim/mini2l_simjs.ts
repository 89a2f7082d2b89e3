/**
 * MINI-2L on simjs: the rules of mini2l.ts in that library's own terms: pCPUs are entities with a timer each, vCPUs and
 * domains objects. A program of its own, as the other twins are:
 *
 *     node mini2l_simjs.js PCPUS DOMAINS VCPUS SECTIONS SEED EVENTS  ->  one line of JSON
 *
 * simjs orders equal times by who asked first, the model by pCPU. So its clock runs in 1/1024 ns and carries the pCPU's number
 * below the nanosecond: equal times come in the order of pCPUs, and the digest is the same.
 */
import { DIGEST_START, digest } from "../../sim/engine/digest.ts";
import { bits, exponential, keyOf } from "../../sim/engine/draw.ts";

const COMPUTE_MEAN = 100_000;
const SECTION_MEAN = 2_000;
const SLICE = 30_000_000;
const SWITCH = 2_000;
const TICKS_PER_NS = 1024;

const KIND_WORK = 0;
const KIND_SLICE = 1;

const { Sim, Entity } = await loadSimjs();
const [pcpuCount, domainCount, vcpusPerDomain, sectionsPerBarrier, seed, events] = process.argv
  .slice(2)
  .map(Number) as [number, number, number, number, number, number];

// Once for V8, once for the clock.
run();
const before = process.cpuUsage();
const hash = run();
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ digest: hash, seconds: (user + system) / 1e6 }));

/** The package is a script for browsers and leaves its classes at `window`. */
async function loadSimjs(): Promise<SimjsLibrary> {
  const page: { Sim?: SimjsLibrary } = {};
  Object.assign(globalThis, { window: page });
  await import("simjs");
  if (page.Sim === undefined) throw new Error("simjs did not leave its classes at window.Sim");
  return page.Sim;
}

interface Domain {
  holder: Vcpu | null;
  readonly waiters: Vcpu[];
  readonly vcpus: Vcpu[];
  arrived: number;
}

interface Vcpu {
  readonly domain: Domain;
  readonly key: number;
  draws: number;
  doing: "computes" | "spins" | "holds";
  left: number;
  mark: number;
  pcpu: Pcpu | null;
  last: Pcpu;
  done: number;
}

interface Pcpu {
  readonly queue: Vcpu[];
  current: Vcpu | null;
  /** Takes a vCPU that waits, from here or from the longest other queue. */
  next(): void;
  dispatch(vcpu: Vcpu): void;
  /** Sets the timer to the end of the work or of the slice. */
  arm(): void;
}

function run(): number {
  const engine = new Sim();
  const pcpus: HostPcpu[] = [];
  let hash = DIGEST_START;

  const now = (): number => Math.floor(engine.time() / TICKS_PER_NS);

  class HostPcpu extends Entity implements Pcpu {
    readonly number = pcpus.length;
    readonly queue: Vcpu[] = [];
    current: Vcpu | null = null;
    #sliceEnd = 0;
    #timer: SimjsRequest | null = null;
    #kind = KIND_WORK;
    readonly #turn = (): void => {
      hash = digest(hash, now(), this.#kind, this.number);
      if (this.#kind === KIND_WORK) this.#onWork();
      else this.#onSlice();
    };

    start(): void {}

    dispatch(vcpu: Vcpu): void {
      this.current = vcpu;
      vcpu.pcpu = this;
      vcpu.last = this;
      vcpu.mark = now() + SWITCH;
      this.#sliceEnd = now() + SWITCH + SLICE;
      this.arm();
    }

    next(): void {
      if (this.queue.length > 0) {
        this.dispatch(this.queue.shift()!);
        return;
      }
      let longest: HostPcpu | null = null;
      for (const each of pcpus)
        if (each.queue.length > 0 && (longest === null || each.queue.length > longest.queue.length))
          longest = each;
      if (longest === null) this.#timer?.cancel();
      else this.dispatch(longest.queue.shift()!);
    }

    arm(): void {
      const { doing, mark, left } = this.current!;
      const work = doing === "spins" ? Number.POSITIVE_INFINITY : Math.max(now(), mark) + left;
      this.#timer?.cancel();
      if (work <= this.#sliceEnd) this.#setTimer(work, KIND_WORK);
      else this.#setTimer(this.#sliceEnd, KIND_SLICE);
    }

    #setTimer(at: number, kind: number): void {
      this.#kind = kind;
      const delay = at * TICKS_PER_NS + this.number - engine.time();
      this.#timer = this.setTimer(Math.max(0, delay)).done(this.#turn, this);
    }

    #onWork(): void {
      const vcpu = this.current!;
      settle(vcpu);
      if (vcpu.doing === "computes") {
        lock(vcpu);
        return;
      }
      unlock(vcpu.domain);
      vcpu.done++;
      begin(vcpu);
      if (vcpu.done === sectionsPerBarrier) {
        vcpu.done = 0;
        meet(vcpu, this);
      } else {
        this.arm();
      }
    }

    #onSlice(): void {
      const vcpu = this.current!;
      settle(vcpu);
      if (this.queue.length === 0) {
        this.#sliceEnd = now() + SLICE;
        this.arm();
        return;
      }
      vcpu.pcpu = null;
      this.queue.push(vcpu);
      this.next();
    }
  }

  function settle(vcpu: Vcpu): void {
    if (now() <= vcpu.mark) return;
    if (vcpu.doing !== "spins") vcpu.left -= now() - vcpu.mark;
    vcpu.mark = now();
  }

  function draw(vcpu: Vcpu, mean: number): void {
    vcpu.left = Math.floor(mean * exponential(bits(vcpu.key, vcpu.draws++)) + 0.5);
  }

  function begin(vcpu: Vcpu): void {
    vcpu.doing = "computes";
    draw(vcpu, COMPUTE_MEAN);
  }

  function wake(vcpu: Vcpu): void {
    const home =
      vcpu.last.current === null ? vcpu.last : (pcpus.find(({ current }) => current === null) ?? vcpu.last);
    if (home.current === null) home.dispatch(vcpu);
    else home.queue.push(vcpu);
  }

  function grant(domain: Domain, vcpu: Vcpu): void {
    domain.holder = vcpu;
    if (vcpu.pcpu !== null) settle(vcpu);
    vcpu.doing = "holds";
    draw(vcpu, SECTION_MEAN);
    vcpu.pcpu?.arm();
  }

  function lock(vcpu: Vcpu): void {
    if (vcpu.domain.holder === null) {
      grant(vcpu.domain, vcpu);
      return;
    }
    vcpu.doing = "spins";
    vcpu.domain.waiters.push(vcpu);
    vcpu.pcpu!.arm();
  }

  function unlock(domain: Domain): void {
    domain.holder = null;
    const waiter = domain.waiters.shift();
    if (waiter !== undefined) grant(domain, waiter);
  }

  /** The last to come wakes the others. */
  function meet(vcpu: Vcpu, pcpu: Pcpu): void {
    const { domain } = vcpu;
    if (++domain.arrived < vcpusPerDomain) {
      vcpu.pcpu = null;
      pcpu.current = null;
      pcpu.next();
      return;
    }
    domain.arrived = 0;
    pcpu.arm();
    for (const sibling of domain.vcpus) if (sibling !== vcpu) wake(sibling);
  }

  for (let p = 0; p < pcpuCount; p++) pcpus.push(engine.addEntity(HostPcpu, `p${p}`));
  const vcpus: Vcpu[] = [];
  for (let d = 0; d < domainCount; d++) {
    const domain: Domain = { holder: null, waiters: [], vcpus: [], arrived: 0 };
    for (let i = 0; i < vcpusPerDomain; i++) {
      const v = vcpus.length;
      const vcpu: Vcpu = {
        domain,
        key: keyOf(seed, v),
        draws: 0,
        doing: "computes",
        left: 0,
        mark: 0,
        pcpu: null,
        last: pcpus[v % pcpuCount]!,
        done: 0,
      };
      begin(vcpu);
      domain.vcpus.push(vcpu);
      vcpus.push(vcpu);
    }
  }
  for (const vcpu of vcpus) wake(vcpu);
  for (let i = 0; i < events; i++) engine.step();
  return hash >>> 0;
}
