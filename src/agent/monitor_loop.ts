/**
 * The load monitor at work, in two stages. As long as nobody waits for a vCPU it has the run queues watched, or glances at
 * them, which costs next to nothing. Where some threshold could be exceeded (may_exceed.ts), or the host wants to see measures, it
 * looks closely for one interval after the other, and says what it saw and what the guest should ask for: whatever is
 * asked for was measured over whole intervals. While nothing could be asked for, because a request is open or the host
 * said when to come again, it only glances. How often it does any of this is what the account allows (monitor/budget.ts).
 * Whoever speaks with the host starts it when the host wants it; until then it costs nothing.
 */
import { glanceEveryMs, lookMs, mayShow, slownessOf } from "./monitor/budget.ts";
import { combineAll } from "./monitor/combination.ts";
import { DETECTOR_START, type Detector, detect, type LoadSample, type Request } from "./monitor/detect.ts";
import { leastWaiting, mayExceed, type QueueGrowth } from "./monitor/may_exceed.ts";
import { measureAll } from "./monitor/measured.ts";
import type { Thresholds } from "./monitor/thresholds.ts";
import type { HostTimes, SwitchCost } from "./monitor/vcpu_loads.ts";
import { ALL_WATCHED, type Watched, watchedBy } from "./monitor/watched.ts";
import type { MonitorConfig } from "./monitor_config.ts";
import type { Platform } from "./platform.ts";
import type { QueueReading } from "./sources/counters.ts";
import { LoadMonitor, PAUSE_PER_SECOND_MAX } from "./sources/load_monitor.ts";
import { Meter } from "./sources/meter.ts";
import { calibrate } from "./sources/switch_cost.ts";

export class MonitorLoop {
  readonly #platform: Platform;
  readonly #options: MonitorLoopOptions;
  readonly #meter: Meter;
  /** Measured once: the guest's switches cost the same when the monitor is turned on again. */
  #cost: SwitchCost | string | null = null;
  /** The last one that was stopped for a while. */
  #rested: LoadMonitor | null = null;
  #running: Running | null = null;
  #startedMs = 0;
  /** Online when last looked at. */
  #vcpus = "";
  /** For the thresholds that were in force last. */
  #watched: { readonly thresholds: Thresholds; readonly watched: Watched } | null = null;

  constructor(platform: Platform, options: MonitorLoopOptions) {
    this.#platform = platform;
    this.#options = options;
    this.#meter = new Meter(platform, options.config.budgetPercent / PERCENT);
  }

  /**
   * Measures the cost of switches first, which keeps the vCPU busy for some tens of milliseconds. Where it runs already, it heeds
   * what the host wishes anew.
   */
  start(): void {
    if (this.#running !== null) {
      // What the host wishes may be new.
      if (this.#running.rests) this.#restAnew();
      return;
    }
    this.#startedMs = this.#platform.nowMs();
    this.#cost ??= calibrate(this.#platform);
    const monitor = new LoadMonitor(this.#platform, this.#cost, this.#meter);
    monitor.attach();
    monitor.glance();
    this.#rehearse();
    this.#meter.forgive();
    this.#running = {
      monitor,
      detector: DETECTOR_START,
      isWhole: false,
      isFirst: true,
      rests: false,
      row: { looks: 0, borrows: false },
      cancel: [],
    };
    // The first look tells how often threads switch, on which the others depend.
    this.#look({ follows: false, isWhole: this.#isShownNext({ follows: false }) });
  }

  /** `forGood`: the agent ends. */
  stop(options: { readonly forGood: boolean }): void {
    for (const cancel of this.#running?.cancel ?? []) cancel();
    this.#running?.monitor.stop(options);
    if (this.#running === null && options.forGood) this.#rested?.stop(options);
    this.#rested = this.#running?.monitor ?? this.#rested;
    this.#running = null;
  }

  /** No look follows for the time being, which ends what had lasted. */
  #rest(): void {
    if (this.#running === null) return;
    this.#running.detector = DETECTOR_START;
    this.#running.monitor.pause();
    this.#running.rests = true;
    const { waitingMin } = this.#options.config;
    this.#running.cancel =
      waitingMin === null || this.#options.wantsGlances()
        ? [this.#platform.after(this.#glanceEveryMs(), () => this.#glance())]
        : this.#sleep(waitingMin);
  }

  #restAnew(): void {
    for (const cancel of this.#running?.cancel ?? []) cancel();
    this.#rest();
  }

  /** Until somebody waits for a vCPU, vCPUs come or go, or measures are due: nobody needs to hear of glances at nothing. */
  #sleep(waitingMin: number): Running["cancel"] {
    const wishedMs = this.#wishedGlanceMs();
    const everyMs = glanceEveryMs(this.#meter.budget, "watch", wishedMs);
    const rule = { everyMs, waitingMin: leastWaiting(waitingMin), arrivalsMax: PAUSE_PER_SECOND_MAX };
    const lookMs =
      this.#dueMs({ atRest: true }) - this.#options.config.sampleEveryMs - this.#platform.nowMs();
    const wake = (before: QueueReading | null): void => {
      for (const cancel of this.#running?.cancel ?? []) cancel();
      if (before !== null) this.#running?.monitor.recall(before);
      this.#glance();
    };
    const watch = this.#platform.watchQueues(rule, wake);
    const sleepMs = everyMs === wishedMs ? SLEEP_MAX_MS : SLEEP_POOR_MS;
    return [
      () => this.#meter.watched(watch.end()),
      this.#platform.after(Math.max(everyMs, Math.min(sleepMs, lookMs)), () => wake(null)),
    ];
  }

  #glance(): void {
    if (this.#running === null) return;
    const { monitor } = this.#running;
    const { grown, isCalm } = this.#meter.charged("glance", () => {
      const grown = monitor.glance();
      return { grown, isCalm: !this.#mayExceed(grown) };
    });
    this.#meter.settle();
    this.#noteVcpus(monitor);
    const isForAsking = !isCalm && this.#mayAsk();
    // What people want to see takes longer, and longer still where it must be paid for first.
    const isWhole = !isForAsking && this.#isShownNext({ follows: false });
    if (isWhole || isForAsking) {
      this.#look({ follows: false, isWhole });
      return;
    }
    this.#rest();
    this.#options.onGlance({ online: (grown ?? []).map(({ vcpu }) => vcpu), isCalm });
  }

  /** `follows`: immediately after another look. `isWhole`: at everything, for people to see. */
  #look({ follows, isWhole }: { readonly follows: boolean; readonly isWhole: boolean }): void {
    if (this.#running === null) return;
    const { monitor } = this.#running;
    const isNewToThreads = isWhole && !(follows && this.#running.isWhole);
    this.#meter.charged(isWhole ? "show" : "look", () => {
      if (!follows) monitor.begin();
      if (isNewToThreads) monitor.beginThreads();
    });
    this.#running.isWhole = isWhole;
    this.#running.rests = false;
    const { budget } = this.#meter;
    const looks = follows ? this.#running.row.looks + 1 : 1;
    const borrows = follows ? this.#running.row.borrows : 0 < budget.balanceMs;
    this.#running.row = { looks, borrows };
    const { config } = this.#options;
    const plan = monitor.plan({ isWhole });
    const isOnCredit = borrows && looks <= LOOKS_FIRST && !isWhole;
    const { detector } = this.#running;
    const wishedMs = follows && !isWhole ? untilLastedMs(detector, config) : config.sampleEveryMs;
    const everyMs = isOnCredit ? wishedMs : lookMs(budget, plan, wishedMs);
    this.#running.cancel = [
      this.#platform.after(everyMs - monitor.traceMs(everyMs), () => monitor.traceFrom()),
      this.#platform.after(everyMs, () => this.#sample()),
    ];
  }

  #sample(): void {
    if (this.#running === null) return;
    const { monitor, isWhole } = this.#running;
    const { looked, grown } = this.#meter.charged(isWhole ? "show" : "look", () =>
      this.#taken(monitor, isWhole),
    );
    const isCalm =
      this.#running.detector.exceeding.size === 0 &&
      !this.#meter.charged("glance", () => this.#mayExceed(grown));
    // The session says from when on the next measures are wanted.
    this.#meter.charged(isWhole ? "show" : "look", () => this.#options.onSample(looked));
    // A start is paid for once, like the calibration: most of what the first look does is done for the first time.
    if (this.#running.isFirst) this.#meter.forgive();
    else this.#meter.settle();
    this.#running.isFirst = false;
    this.#noteVcpus(monitor);
    // The first looks at a load are for finding out whether it lasts; people can see what comes after that.
    const mayAsk = !isCalm && this.#mayAsk();
    const isForAsking = mayAsk && this.#running.row.looks < LOOKS_FIRST;
    const isShownNext = !isForAsking && this.#isShownNext({ follows: !isCalm });
    if (isShownNext || mayAsk) this.#look({ follows: true, isWhole: isShownNext });
    else this.#rest();
  }

  #taken(monitor: LoadMonitor, isWhole: boolean): { looked: Looked; grown: readonly QueueGrowth[] | null } {
    const { config, thresholds, host } = this.#options;
    const watched = this.#watchedNow();
    const threads = isWhole || watched.measures.some(({ quantity }) => OF_THREADS.has(quantity));
    const { grown, degraded, ...sampled } = monitor.sample(host, { threads });
    const { measures, combinations } = isWhole ? ALL_WATCHED : watched;
    const inForce = thresholds();
    const plain = measureAll(sampled.vcpus, measures);
    const thresholdOf = (id: string): number | null => inForce.get(id)?.value ?? null;
    const combined = combineAll(sampled.vcpus, plain, { combinations, thresholdOf });
    const sample = { ...sampled, measured: [...plain, ...combined] };
    const { sustainMs, waitingMin } = config;
    const before = this.#running?.detector ?? DETECTOR_START;
    const { detector, request } = detect(before, sample, { thresholds: inForce, sustainMs, waitingMin });
    if (this.#running !== null) this.#running.detector = detector;
    const slow = slownessOf(this.#meter.budget, {
      intervalMs: sample.intervalMs,
      wishedMs: config.sampleEveryMs,
      lateMs: Math.max(0, sample.atMs - this.#dueMs({ atRest: this.#running?.row.looks === 1 })),
      glanceMs: this.#glanceEveryMs(),
    });
    const exceeds = 0 < detector.exceeding.size;
    return { looked: { sample, isWhole, exceeds, request, degraded: [...slow, ...degraded] }, grown };
  }

  /** Somebody in the guest may have changed them. */
  #noteVcpus(monitor: LoadMonitor): void {
    const vcpus = String(monitor.vcpus());
    const isNew = this.#vcpus !== "" && vcpus !== this.#vcpus;
    this.#vcpus = vcpus;
    if (isNew) this.#options.onVcpusChanged();
  }

  /**
   * Does once what a load would need at its onset. An emulator translates code when it first runs, and that takes a hundred
   * times as long as to run it.
   */
  #rehearse(): void {
    this.#mayExceed([{ vcpu: 0, node: 0, waiting: 2, arrivals: 100 }]);
  }

  /** A look that begins now could lead to a request. */
  #mayAsk(): boolean {
    const { sampleEveryMs, sustainMs } = this.#options.config;
    const leadMs = Math.max(2 * sampleEveryMs, sustainMs + sampleEveryMs);
    return this.#options.asksFromMs() <= this.#platform.nowMs() + leadMs;
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

  /** A look that begins now ends when the host wants to see measures, and they can be paid for. */
  #isShownNext({ follows }: { readonly follows: boolean }): boolean {
    const nowMs = this.#platform.nowMs();
    const dueMs = this.#dueMs({ atRest: !follows });
    const isDue = dueMs <= nowMs + this.#options.config.sampleEveryMs + this.#wishedGlanceMs() / 2;
    return isDue && mayShow(this.#meter.budget, { lateMs: nowMs - dueMs, follows });
  }

  #dueMs(how: { readonly atRest: boolean }): number {
    return Math.max(this.#options.measuresDueMs(how), this.#startedMs);
  }

  #wishedGlanceMs(): number {
    return this.#options.config.sampleEveryMs / GLANCES_PER_SAMPLE;
  }

  #glanceEveryMs(): number {
    return glanceEveryMs(this.#meter.budget, "glance", this.#wishedGlanceMs());
  }
}

export interface MonitorLoopOptions {
  readonly config: MonitorConfig;
  /** Asked at each sample, so that the host may change them at any time. */
  readonly thresholds: () => Thresholds;
  /** The run times of the vCPUs' threads on the host in an interval that ends now, if the host told. */
  readonly host: (intervalMs: number) => HostTimes | null;
  /** When the host wants to see measures next; Infinity for never. `atRest`: nothing is exceeded, so they can wait longer. */
  readonly measuresDueMs: (how: { readonly atRest: boolean }) => number;
  /** Whether every glance is to be told, also where nobody waits. */
  readonly wantsGlances: () => boolean;
  /** vCPUs came or went, by whosever hand. */
  readonly onVcpusChanged: () => void;
  /** From when on a request could be made; Infinity while one is open. */
  readonly asksFromMs: () => number;
  readonly onSample: (looked: Looked) => void;
  readonly onGlance: (glanced: Glanced) => void;
}

export interface Glanced {
  /** None named where the kernel does not tell. */
  readonly online: readonly number[];
  /** Nothing can be exceeded. */
  readonly isCalm: boolean;
}

export interface Looked {
  readonly sample: LoadSample;
  /** Everything was measured, not only what has a threshold. */
  readonly isWhole: boolean;
  /** Some threshold is exceeded, though perhaps not for long enough. */
  readonly exceeds: boolean;
  readonly request: Request | null;
  /** What is not measured, in whole or in part, as sentences. */
  readonly degraded: readonly string[];
}

interface Running {
  readonly monitor: LoadMonitor;
  detector: Detector;
  /** The look under way. */
  isWhole: boolean;
  isFirst: boolean;
  /** No look is under way. */
  rests: boolean;
  /** The looks one after the other, this one included; whether the first two of them may be paid for afterwards. */
  row: { readonly looks: number; readonly borrows: boolean };
  cancel: readonly (() => void)[];
}

/** A load is seen half an interval after its onset at the latest; then two whole looks follow. */
const GLANCES_PER_SAMPLE = 2;
/** The account is looked at anew after so long; where it is poor, sooner. */
const SLEEP_MAX_MS = 60_000;
const SLEEP_POOR_MS = 10_000;
/** So many looks tell whether a load lasts: it may have begun late in the first, and two of it are needed. */
const LOOKS_FIRST = 3;
/** Timers are some milliseconds early at times. */
const EARLY_MAX_MS = 20;

/**
 * A look that follows is no longer than until what exceeds has lasted, nor shorter than half of an interval. As long as nothing
 * exceeds it is that short: intervals are longer than wished on a busy guest, and the last one makes up for it.
 */
function untilLastedMs(detector: Detector, { sampleEveryMs, sustainMs }: MonitorConfig): number {
  const sinces = [...detector.exceeding.values()].map(({ sinceMs }) => sinceMs);
  if (sinces.length === 0) return sampleEveryMs / 2;
  const leftMs = sustainMs - (detector.atMs - Math.min(...sinces)) + EARLY_MAX_MS;
  return Math.min(sampleEveryMs, Math.max(sampleEveryMs / 2, leftMs));
}
const PERCENT = 100;

const OF_THREADS: ReadonlySet<string> = new Set(["runnable-processes", "runnable-applications"]);
