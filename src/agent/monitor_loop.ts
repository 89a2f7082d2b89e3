/**
 * The load monitor at work, in two stages. As long as nobody waits for a vCPU it only glances at the run queues, which
 * costs next to nothing. Where some threshold could be exceeded (may_exceed.ts), or the host wants to see measures, it
 * looks closely for one interval after the other, and says what it saw and what the guest should ask for: whatever is
 * asked for was measured over whole intervals. Whoever speaks with the host starts it when the host wants it; until
 * then it costs nothing.
 */
import { combineAll } from "./monitor/combination.ts";
import { DETECTOR_START, type Detector, detect, type LoadSample, type Request } from "./monitor/detect.ts";
import { mayExceed, type QueueGrowth } from "./monitor/may_exceed.ts";
import { measureAll } from "./monitor/measured.ts";
import type { Thresholds } from "./monitor/thresholds.ts";
import type { HostTimes, SwitchCost } from "./monitor/vcpu_loads.ts";
import { ALL_WATCHED, type Watched, watchedBy } from "./monitor/watched.ts";
import type { MonitorConfig } from "./monitor_config.ts";
import type { Platform } from "./platform.ts";
import { ALLOWED_SHARE, Allowance } from "./sources/allowance.ts";
import { LoadMonitor } from "./sources/load_monitor.ts";
import { calibrate } from "./sources/switch_cost.ts";

export class MonitorLoop {
  readonly #platform: Platform;
  readonly #options: MonitorLoopOptions;
  readonly #allowance = new Allowance(ALLOWED_SHARE);
  /** Measured once: the guest's switches cost the same when the monitor is turned on again. */
  #cost: SwitchCost | string | null = null;
  /** The last one that was stopped for a while. */
  #rested: LoadMonitor | null = null;
  #running: Running | null = null;
  /** For the thresholds that were in force last. */
  #watched: { readonly thresholds: Thresholds; readonly watched: Watched } | null = null;

  constructor(platform: Platform, options: MonitorLoopOptions) {
    this.#platform = platform;
    this.#options = options;
  }

  /** Measures the cost of switches first, which keeps the vCPU busy for some tens of milliseconds. */
  start(): void {
    if (this.#running !== null) return;
    this.#cost ??= calibrate(this.#platform);
    const monitor = new LoadMonitor(this.#platform, this.#cost, this.#allowance);
    monitor.attach();
    monitor.glance();
    this.#running = { monitor, detector: DETECTOR_START, isWhole: false, cancel: [] };
    // The first look tells how often threads switch, on which the others depend.
    this.#look({ follows: false, isWhole: this.#isShownNext() });
  }

  /** `forGood`: the agent ends. */
  stop(options: { readonly forGood: boolean }): void {
    for (const cancel of this.#running?.cancel ?? []) cancel();
    this.#running?.monitor.stop(options);
    if (this.#running === null && options.forGood) this.#rested?.stop(options);
    this.#rested = this.#running?.monitor ?? this.#rested;
    this.#running = null;
  }

  /** Nothing exceeds, which ends what had lasted. */
  #rest(): void {
    if (this.#running === null) return;
    this.#running.detector = DETECTOR_START;
    this.#running.monitor.pause();
    this.#running.cancel = [this.#platform.after(this.#glanceEveryMs(), () => this.#glance())];
  }

  #glance(): void {
    if (this.#running === null) return;
    const grown = this.#running.monitor.glance();
    const isShownNext = this.#isShownNext();
    if (isShownNext || this.#mayExceed(grown)) {
      this.#look({ follows: false, isWhole: isShownNext });
      return;
    }
    this.#rest();
    this.#options.onQuiet((grown ?? []).map(({ vcpu }) => vcpu));
  }

  /** `follows`: immediately after another look. `isWhole`: at everything, for people to see. */
  #look({ follows, isWhole }: { readonly follows: boolean; readonly isWhole: boolean }): void {
    if (this.#running === null) return;
    const { monitor } = this.#running;
    if (!follows) monitor.begin();
    if (isWhole && !(follows && this.#running.isWhole)) monitor.beginThreads();
    this.#running.isWhole = isWhole;
    const everyMs = this.#options.config.sampleEveryMs;
    this.#running.cancel = [
      this.#platform.after(everyMs - monitor.traceMs(everyMs), () => monitor.traceFrom()),
      this.#platform.after(everyMs, () => this.#sample()),
    ];
  }

  #sample(): void {
    if (this.#running === null) return;
    const { monitor, isWhole } = this.#running;
    const { config, thresholds, host, onSample } = this.#options;
    const watched = this.#watchedNow();
    const threads = isWhole || watched.measures.some(({ quantity }) => OF_THREADS.has(quantity));
    const { atMs, intervalMs, vcpus, degraded } = monitor.sample(host, { threads });
    const { measures, combinations } = isWhole ? ALL_WATCHED : watched;
    const inForce = thresholds();
    const plain = measureAll(vcpus, measures);
    const thresholdOf = (id: string): number | null => inForce.get(id)?.value ?? null;
    const combined = combineAll(vcpus, plain, { combinations, thresholdOf });
    const sample = { atMs, intervalMs, vcpus, measured: [...plain, ...combined] };
    const { sustainMs, waitingMin } = config;
    const settings = { thresholds: inForce, sustainMs, waitingMin };
    const { detector, request } = detect(this.#running.detector, sample, settings);
    this.#running.detector = detector;
    const mayExceedNext = this.#mayExceed(monitor.glance());
    // The session says from when on the next measures are wanted.
    onSample({ sample, isWhole, request, degraded });
    const isShownNext = this.#isShownNext();
    if (isShownNext || mayExceedNext) this.#look({ follows: true, isWhole: isShownNext });
    else this.#rest();
  }

  #mayExceed(grown: readonly QueueGrowth[] | null): boolean {
    // Where it cannot be told, it is looked at.
    if (grown === null) return true;
    const { sustainMs, waitingMin } = this.#options.config;
    const settings = { thresholds: this.#options.thresholds(), sustainMs, waitingMin };
    return mayExceed(grown, this.#watchedNow(), settings);
  }

  #watchedNow(): Watched {
    const thresholds = this.#options.thresholds();
    if (this.#watched?.thresholds !== thresholds) {
      this.#watched = { thresholds, watched: watchedBy(thresholds) };
    }
    return this.#watched.watched;
  }

  /** A look that begins now ends when the host wants to see measures. */
  #isShownNext(): boolean {
    const endMs = this.#platform.nowMs() + this.#options.config.sampleEveryMs;
    return this.#options.measuresDueMs() <= endMs + this.#glanceEveryMs() / 2;
  }

  #glanceEveryMs(): number {
    return this.#options.config.sampleEveryMs / GLANCES_PER_SAMPLE;
  }
}

export interface MonitorLoopOptions {
  readonly config: MonitorConfig;
  /** Asked at each sample, so that the host may change them at any time. */
  readonly thresholds: () => Thresholds;
  /** The run times of the vCPUs' threads on the host in an interval that ends now, if the host told. */
  readonly host: (intervalMs: number) => HostTimes | null;
  /** When the host wants to see measures next; Infinity for never. */
  readonly measuresDueMs: () => number;
  readonly onSample: (looked: Looked) => void;
  /** Nothing can be exceeded; these vCPUs are online, none named where the kernel does not tell. */
  readonly onQuiet: (online: readonly number[]) => void;
}

export interface Looked {
  readonly sample: LoadSample;
  /** Everything was measured, not only what has a threshold. */
  readonly isWhole: boolean;
  readonly request: Request | null;
  /** What is not measured, in whole or in part, as sentences. */
  readonly degraded: readonly string[];
}

interface Running {
  readonly monitor: LoadMonitor;
  detector: Detector;
  /** The look under way. */
  isWhole: boolean;
  cancel: readonly (() => void)[];
}

/** A load is seen half an interval after its onset at the latest; then two whole looks follow. */
const GLANCES_PER_SAMPLE = 2;

const OF_THREADS: ReadonlySet<string> = new Set(["runnable-processes", "runnable-applications"]);
