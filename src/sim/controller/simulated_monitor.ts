/**
 * The shipped load monitor (agent/monitor) in a simulated guest: its counters are the simulated kernel's, what is measured, what
 * exceeds and what is asked for is the product's (automatic hotplug, P-19 to P-24).
 *
 * Simplified: a guest runs one process, so every switch is within it, and the cost of a switch is known instead of calibrated.
 */
import { combineAll } from "../../agent/monitor/combination.ts";
import {
  DETECTOR_START,
  type Detector,
  detect,
  SUSTAIN_DEFAULT_MS,
  WAITING_MIN_DEFAULT,
} from "../../agent/monitor/detect.ts";
import { measureAll } from "../../agent/monitor/measured.ts";
import { DEFAULT_THRESHOLDS, layered } from "../../agent/monitor/thresholds.ts";
import { type Counters, vcpuLoads } from "../../agent/monitor/vcpu_loads.ts";
import type { VcpuRequest } from "../../core/request.ts";
import type { Control } from "../host/control.ts";
import { DEFAULT_COSTS } from "../machine/constants.ts";

/** Looks at one domain's guest; asked once a second, as in the product. */
export class SimulatedMonitor {
  readonly #control: Control;
  readonly #domain: number;
  #detector: Detector = DETECTOR_START;
  #before: (Counters & { readonly ran: ReadonlyMap<number, number> }) | null = null;
  #asked = 0;

  constructor(control: Control, domain: number) {
    this.#control = control;
    this.#domain = domain;
  }

  /** What the guest asks for now, if anything. */
  sample(): VcpuRequest | null {
    const before = this.#before;
    const after = this.#count();
    this.#before = after;
    if (before === null) return null;
    const vcpus = vcpuLoads({
      before,
      after,
      kinds: {
        vcpus: new Map(after.vcpus.map(({ vcpu }) => [vcpu, ALL_WITHIN])),
        source: "the simulated kernel",
      },
      cost: SWITCH_COST,
      groups: "A simulated guest runs one process",
      nodeOf: () => 0,
      host: {
        runNs: new Map([...after.ran].map(([vcpu, ran]) => [vcpu, ran - (before.ran.get(vcpu) ?? 0)])),
      },
      hz: null,
      self: { vcpu: -1, runNs: 0, waitNs: 0 },
    });
    const plain = measureAll(vcpus);
    const combined = combineAll(vcpus, plain, { thresholdOf: (id) => THRESHOLDS.get(id)?.value ?? null });
    const sample = {
      atMs: after.atMs,
      intervalMs: after.atMs - before.atMs,
      vcpus,
      measured: [...plain, ...combined],
    };
    const { detector, request } = detect(this.#detector, sample, SETTINGS);
    this.#detector = detector;
    if (request === null) return null;
    const { measure, level, value, threshold } = request;
    const domain = this.#control.domains[this.#domain];
    return {
      domain,
      id: `${domain} ${++this.#asked}`,
      origin: "monitor",
      exceeded: { measure, level, value, threshold },
      target: null,
    };
  }

  /** Of the vCPUs that the guest uses. */
  #count(): Counters & { readonly ran: ReadonlyMap<number, number> } {
    const d = this.#domain;
    const control = this.#control;
    const online = Array.from({ length: control.vcpusOf(d) }, (_, index) => index).filter((index) =>
      control.isOnline(d, index),
    );
    const vcpus = online.map((index) => {
      const { idle, steal, waited, arrivals } = control.countersOf(d, index);
      return { vcpu: index, idleNs: idle, stealNs: steal, waitNs: waited, arrivals };
    });
    return {
      atMs: control.now() / NS_PER_MS,
      switches: vcpus.reduce((sum, { arrivals }) => sum + arrivals, 0),
      vcpus,
      ran: new Map(online.map((index) => [index, control.ranOf(d, index)])),
    };
  }
}

const NS_PER_MS = 1_000_000;
const THRESHOLDS = layered([DEFAULT_THRESHOLDS]);
const SETTINGS = { thresholds: THRESHOLDS, sustainMs: SUSTAIN_DEFAULT_MS, waitingMin: WAITING_MIN_DEFAULT };
const SWITCH_COST = {
  sameProcessNs: DEFAULT_COSTS.taskSwitch,
  otherProcessNs: DEFAULT_COSTS.taskSwitch,
  how: "the simulator's constant",
};
const ALL_WITHIN = { sameProcess: 1, otherProcess: 0, unknown: 0, fromIdle: 0, toIdle: 0 };
