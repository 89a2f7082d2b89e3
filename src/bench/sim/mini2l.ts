/**
 * MINI-2L: the smallest model with both levels, for comparing engines. `mini2l.cpp` is its twin: same rules, same
 * draws, same order of events, so the same digest.
 *
 * V domains of C vCPUs with one task each share P pCPUs. A task computes exp(100 us), takes its domain's ticket lock,
 * works exp(2 us) under it, and after every K sections meets the others at a barrier, where it blocks. Each pCPU has a
 * first-in first-out queue; slices last 30 ms, a switch takes 2 us; a woken vCPU goes to its last pCPU when that
 * idles, else to the first idle one, else into its last one's queue; an idle pCPU steals from the longest queue. A
 * spinner has no event.
 *
 * The columns are constants of the module, because V8 then knows where they are: almost twice the events per second of
 * the same columns in a closure. So there is one model at a time, and a limit to its size.
 */
import { DIGEST_START, digest } from "../../sim/engine/digest.ts";
import { bits, exponential, keyOf } from "../../sim/engine/draw.ts";
import { Slots } from "../../sim/engine/slots.ts";

export interface MiniConfig {
  readonly pcpus: number;
  readonly domains: number;
  readonly vcpus: number;
  /** Sections between barriers. */
  readonly sections: number;
  readonly seed: number;
  readonly events: number;
}

export interface MiniResult {
  readonly digest: number;
  readonly simulatedNs: number;
  /** Lock sections finished. */
  readonly sections: number;
  readonly holderPreemptions: number;
  /** Locks passed to a vCPU without a pCPU. */
  readonly waiterPreemptions: number;
}

const COMPUTE_MEAN = 100_000;
const SECTION_MEAN = 2_000;
const SLICE = 30_000_000;
const SWITCH = 2_000;

const KIND_WORK = 0;
const KIND_SLICE = 1;

const COMPUTES = 0;
const SPINS = 1;
const HOLDS = 2;

/** The largest of twin_configs.ts and of the benchmark. */
const PCPUS_MAX = 64;
const VCPUS_MAX = 128;

let slots = new Slots(1, 0);
let pcpus = 0;
let perDomain = 0;
let sectionsPerBarrier = 0;
// In a typed array: a variable that holds a fraction, or more than 32 bits, would be allocated at every change.
const clock = new Float64Array(1);

// pCPUs: who runs, until when, and the queue as a ring.
const current = new Int32Array(PCPUS_MAX);
const sliceEnd = new Float64Array(PCPUS_MAX);
const ring = new Int32Array(PCPUS_MAX * VCPUS_MAX);
const head = new Int32Array(PCPUS_MAX);
const length = new Int32Array(PCPUS_MAX);
// vCPUs, each with its task.
const domainOf = new Int32Array(VCPUS_MAX);
const doing = new Uint8Array(VCPUS_MAX);
const left = new Float64Array(VCPUS_MAX);
const mark = new Float64Array(VCPUS_MAX);
const pcpuOf = new Int32Array(VCPUS_MAX);
const last = new Int32Array(VCPUS_MAX);
const key = new Int32Array(VCPUS_MAX);
const draws = new Int32Array(VCPUS_MAX);
const nextDraw = new Float64Array(VCPUS_MAX);
const done = new Int32Array(VCPUS_MAX);
const nextWaiter = new Int32Array(VCPUS_MAX);
// Domains: the ticket lock and the barrier.
const holder = new Int32Array(VCPUS_MAX);
const firstWaiter = new Int32Array(VCPUS_MAX);
const lastWaiter = new Int32Array(VCPUS_MAX);
const arrived = new Int32Array(VCPUS_MAX);

let sections = 0;
let holderPreemptions = 0;
let waiterPreemptions = 0;

export function runMini2l(config: MiniConfig): MiniResult {
  begin(config);
  let hash = DIGEST_START;
  for (let i = 0; i < config.events; i++) {
    const p = slots.first();
    const now = slots.time[p]!;
    clock[0] = now;
    const kind = slots.kind[p]!;
    hash = digest(hash, now, kind, p);
    if (kind === KIND_WORK) onWork(p);
    else onSlice(p);
  }
  return { digest: hash >>> 0, simulatedNs: clock[0]!, sections, holderPreemptions, waiterPreemptions };
}

function begin(config: MiniConfig): void {
  const vcpus = config.domains * config.vcpus;
  if (config.pcpus > PCPUS_MAX || vcpus > VCPUS_MAX) {
    throw new Error(
      `The small model has room for ${PCPUS_MAX} pCPUs and ${VCPUS_MAX} vCPUs, not for ${config.pcpus} and ${vcpus}`,
    );
  }
  ({ pcpus, vcpus: perDomain, sections: sectionsPerBarrier } = config);
  slots = new Slots(pcpus, 0);
  for (const column of [clock, sliceEnd, head, length, mark, draws, done, arrived]) column.fill(0);
  for (const column of [current, pcpuOf, nextWaiter, holder, firstWaiter, lastWaiter]) column.fill(-1);
  sections = 0;
  holderPreemptions = 0;
  waiterPreemptions = 0;
  for (let v = 0; v < vcpus; v++) {
    key[v] = keyOf(config.seed, v);
    domainOf[v] = Math.floor(v / perDomain);
    last[v] = v % pcpus;
    drawAhead(v);
    compute(v);
  }
  for (let v = 0; v < vcpus; v++) wake(v);
}

/** Takes the draw that was made ahead and makes the next, so that nobody waits for it. */
function draw(v: number, mean: number): void {
  left[v] = Math.floor(mean * nextDraw[v]! + 0.5);
  drawAhead(v);
}

function drawAhead(v: number): void {
  nextDraw[v] = exponential(bits(key[v]!, draws[v]!));
  draws[v] = draws[v]! + 1;
}

function arm(p: number): void {
  const now = clock[0]!;
  const v = current[p]!;
  const end = sliceEnd[p]!;
  const work = doing[v] === SPINS ? Number.POSITIVE_INFINITY : Math.max(now, mark[v]!) + left[v]!;
  if (work <= end) slots.arm(p, work, KIND_WORK);
  else slots.arm(p, end, KIND_SLICE);
}

function settle(v: number): void {
  const now = clock[0]!;
  if (now <= mark[v]!) return;
  if (doing[v] !== SPINS) left[v] = left[v]! - (now - mark[v]!);
  mark[v] = now;
}

function enqueue(p: number, v: number): void {
  ring[p * VCPUS_MAX + ((head[p]! + length[p]!) % VCPUS_MAX)] = v;
  length[p] = length[p]! + 1;
}

function dequeue(p: number): number {
  const v = ring[p * VCPUS_MAX + head[p]!]!;
  head[p] = (head[p]! + 1) % VCPUS_MAX;
  length[p] = length[p]! - 1;
  return v;
}

function dispatch(p: number, v: number): void {
  const now = clock[0]!;
  current[p] = v;
  pcpuOf[v] = p;
  last[v] = p;
  mark[v] = now + SWITCH;
  sliceEnd[p] = now + SWITCH + SLICE;
  arm(p);
}

/** From its own queue, else from the longest of the others. */
function next(p: number): void {
  if (length[p]! > 0) {
    dispatch(p, dequeue(p));
    return;
  }
  let longest = -1;
  for (let q = 0; q < pcpus; q++)
    if (length[q]! > 0 && (longest < 0 || length[q]! > length[longest]!)) longest = q;
  if (longest >= 0) {
    dispatch(p, dequeue(longest));
    return;
  }
  current[p] = -1;
  slots.arm(p, Number.POSITIVE_INFINITY, KIND_WORK);
}

function wake(v: number): void {
  let p = last[v]!;
  if (current[p]! >= 0) {
    for (let q = 0; q < pcpus; q++) {
      if (current[q]! < 0) {
        p = q;
        break;
      }
    }
  }
  if (current[p]! < 0) dispatch(p, v);
  else enqueue(p, v);
}

function grant(d: number, v: number): void {
  holder[d] = v;
  const p = pcpuOf[v]!;
  if (p >= 0) settle(v);
  else waiterPreemptions++;
  doing[v] = HOLDS;
  draw(v, SECTION_MEAN);
  if (p >= 0) arm(p);
}

function lock(d: number, v: number): void {
  if (holder[d]! < 0) {
    grant(d, v);
    return;
  }
  doing[v] = SPINS;
  nextWaiter[v] = -1;
  if (firstWaiter[d]! < 0) firstWaiter[d] = v;
  else nextWaiter[lastWaiter[d]!] = v;
  lastWaiter[d] = v;
  arm(pcpuOf[v]!);
}

function unlock(d: number): void {
  holder[d] = -1;
  const v = firstWaiter[d]!;
  if (v < 0) return;
  firstWaiter[d] = nextWaiter[v]!;
  grant(d, v);
}

function compute(v: number): void {
  doing[v] = COMPUTES;
  draw(v, COMPUTE_MEAN);
}

function barrier(d: number, v: number): void {
  const p = pcpuOf[v]!;
  arrived[d] = arrived[d]! + 1;
  compute(v);
  if (arrived[d]! < perDomain) {
    pcpuOf[v] = -1;
    current[p] = -1;
    next(p);
    return;
  }
  arrived[d] = 0;
  arm(p);
  for (let u = d * perDomain; u < (d + 1) * perDomain; u++) if (u !== v) wake(u);
}

function onWork(p: number): void {
  const v = current[p]!;
  const d = domainOf[v]!;
  settle(v);
  if (doing[v] === COMPUTES) {
    lock(d, v);
    return;
  }
  sections++;
  unlock(d);
  done[v] = done[v]! + 1;
  if (done[v] === sectionsPerBarrier) {
    done[v] = 0;
    barrier(d, v);
    return;
  }
  compute(v);
  arm(p);
}

function onSlice(p: number): void {
  const now = clock[0]!;
  const v = current[p]!;
  settle(v);
  if (length[p] === 0) {
    sliceEnd[p] = now + SLICE;
    arm(p);
    return;
  }
  if (doing[v] === HOLDS) holderPreemptions++;
  pcpuOf[v] = -1;
  enqueue(p, v);
  next(p);
}
