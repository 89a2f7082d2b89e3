/**
 * The load monitor at work: samples at its interval and says what it saw and what the guest should ask for. Whoever
 * speaks with the host starts it when the host wants it; until then it costs nothing.
 */
import { combineAll } from "./monitor/combination.ts";
import { DETECTOR_START, type Detector, detect, type LoadSample, type Request } from "./monitor/detect.ts";
import { measureAll } from "./monitor/measured.ts";
import type { Thresholds } from "./monitor/thresholds.ts";
import type { HostTimes, SwitchCost } from "./monitor/vcpu_loads.ts";
import type { MonitorConfig } from "./monitor_config.ts";
import type { Platform } from "./platform.ts";
import { LoadMonitor } from "./sources/load_monitor.ts";
import { calibrate } from "./sources/switch_cost.ts";

export class MonitorLoop {
  readonly #platform: Platform;
  readonly #options: MonitorLoopOptions;
  /** Measured once: the guest's switches cost the same when the monitor is turned on again. */
  #cost: SwitchCost | string | null = null;
  /** The last one that was stopped for a while. */
  #rested: LoadMonitor | null = null;
  #running: { readonly monitor: LoadMonitor; detector: Detector; cancel: readonly (() => void)[] } | null =
    null;

  constructor(platform: Platform, options: MonitorLoopOptions) {
    this.#platform = platform;
    this.#options = options;
  }

  /** Measures the cost of switches first, which keeps the vCPU busy for some tens of milliseconds. */
  start(): void {
    if (this.#running !== null) return;
    this.#cost ??= calibrate(this.#platform);
    const monitor = new LoadMonitor(this.#platform, this.#cost);
    monitor.attach();
    this.#running = { monitor, detector: DETECTOR_START, cancel: [] };
    this.#schedule();
  }

  /** `forGood`: the agent ends. */
  stop(options: { readonly forGood: boolean }): void {
    for (const cancel of this.#running?.cancel ?? []) cancel();
    this.#running?.monitor.stop(options);
    if (this.#running === null && options.forGood) this.#rested?.stop(options);
    this.#rested = this.#running?.monitor ?? this.#rested;
    this.#running = null;
  }

  #schedule(): void {
    if (this.#running === null) return;
    const { monitor } = this.#running;
    const everyMs = this.#options.config.sampleEveryMs;
    this.#running.cancel = [
      this.#platform.after(everyMs - monitor.traceMs(everyMs), () => monitor.traceFrom()),
      this.#platform.after(everyMs, () => this.#sample()),
    ];
  }

  #sample(): void {
    if (this.#running === null) return;
    const { config, thresholds, host, onSample } = this.#options;
    const { atMs, intervalMs, vcpus, degraded } = this.#running.monitor.sample(host);
    const inForce = thresholds();
    const plain = measureAll(vcpus);
    const combined = combineAll(vcpus, plain, { thresholdOf: (id) => inForce.get(id)?.value ?? null });
    const sample = { atMs, intervalMs, vcpus, measured: [...plain, ...combined] };
    const { sustainMs, waitingMin } = config;
    const { detector, request } = detect(this.#running.detector, sample, {
      thresholds: inForce,
      sustainMs,
      waitingMin,
    });
    this.#running.detector = detector;
    this.#schedule();
    onSample(sample, request, degraded);
  }
}

export interface MonitorLoopOptions {
  readonly config: MonitorConfig;
  /** Asked at each sample, so that the host may change them at any time. */
  readonly thresholds: () => Thresholds;
  /** The run times of the vCPUs' threads on the host in an interval that ends now, if the host told. */
  readonly host: (intervalMs: number) => HostTimes | null;
  /** `degraded`: what is not measured, in whole or in part, as sentences. */
  readonly onSample: (sample: LoadSample, request: Request | null, degraded: readonly string[]) => void;
}
