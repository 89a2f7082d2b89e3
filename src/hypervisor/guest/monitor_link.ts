/**
 * The load monitor's part of the channel to vbal's agent, from version 2 on: settings and run times go down; measures
 * and requests come up. It is silent until `open`, which an agent of version 1 never leads to.
 */
import type { Answer } from "../../core/request.ts";
import type { Milliseconds } from "../../core/units.ts";
import { unreachable } from "../../core/unreachable.ts";
import type { GuestMessage, HostMessage } from "../../protocol/guest_messages.ts";
import type { MonitorSettings } from "../port.ts";
import type { Timers } from "../timers.ts";
import type { Complaints } from "./complaints.ts";
import type { GuestAsked, GuestLoad, VcpuRunTime } from "./guest_channel.ts";
import { answerMessage, askedOf } from "./request_messages.ts";
import { lookAtWork, type WorkSeen } from "./working_guest.ts";

export interface MonitorLink {
  /** Greeted in a version that has the monitor: it is told the settings, if there are any. */
  open(): void;
  /** What the guest said counts no more. */
  close(): void;
  set(settings: MonitorSettings): void;
  /** Told while the guest works: at rest, its own clock says the same, and each message would wake it. */
  runTimes(vcpus: readonly VcpuRunTime[]): void;
  answer(request: string, answer: Answer): void;
  heed(message: MonitorMessage): void;
  /** Whether it was the monitor's settings that the guest refused. */
  heedRefusal(id: number, why: string): boolean;
  /** The guest has confirmed that its monitor is on. */
  atWork(): boolean;
  load(): GuestLoad | null;
}

export type MonitorMessage = GuestMessage & { readonly kind: "monitor-set" | "measures" | "request" };

export interface MonitorLinkOptions {
  /** For messages. */
  readonly path: string;
  readonly timers: Timers;
  readonly complaints: Complaints;
  readonly send: (message: HostMessage) => void;
  readonly nextId: () => number;
  readonly onRequest: (asked: GuestAsked) => void;
  /** `atWork` may have changed. */
  readonly onSet: () => void;
}

/** A monitor asks once a second at most and a person now and then; what exceeds this is not even looked up. */
export const REQUESTS_PER_SECOND_MAX = 4;
const WINDOW_MS: Milliseconds = 1_000;
/**
 * A message costs an emulated guest half a percent of a vCPU when it comes each second. Whatever the daemon's interval is, up to
 * 3 s, two of them are less than the 5 s apart that the guest makes a rate of.
 */
export const RUN_TIMES_EVERY_MS: Milliseconds = 2_400;
/** Measures older than so many intervals count no more. */
const MEASURES_MISSED_MAX = 3;

/** What people see in place of measures that are too old. */
function silenceOf(ms: Milliseconds): string {
  const seconds = Math.round(ms / 1_000);
  return `No measures for ${seconds} s: the guest's monitor keeps to its budget, or the guest is starved`;
}

export function createMonitorLink(options: MonitorLinkOptions): MonitorLink {
  const { path, timers, complaints, send, nextId } = options;
  let isOpen = false;
  let settings: MonitorSettings | null = null;
  /** The id of the settings that were sent last and are not confirmed yet. */
  let unconfirmed: number | null = null;
  let load: GuestLoad | null = null;
  let cancelStale: () => void = () => undefined;
  let requests = 0;
  let windowOpen = false;
  let work: WorkSeen | null = null;
  let isTold = false;

  function tell(): void {
    if (!isOpen || settings === null) return;
    unconfirmed = nextId();
    const { on, measuresEveryMs, thresholds } = settings;
    send({ kind: "monitor", id: unconfirmed, on, measuresEveryMs, thresholds });
  }
  function setLoad(next: GuestLoad | null): void {
    load = next;
    options.onSet();
  }
  /** What comes beyond the rate costs a comparison and one complaint. */
  function admitRequest(): boolean {
    if (!windowOpen) {
      windowOpen = true;
      requests = 0;
      timers.after(WINDOW_MS, () => {
        windowOpen = false;
      });
    }
    requests += 1;
    return requests <= REQUESTS_PER_SECOND_MAX;
  }
  function heedMeasures(message: MonitorMessage & { readonly kind: "measures" }): void {
    if (load === null || settings === null) return;
    load = { ...load, measures: message.measures, degraded: message.degraded };
    cancelStale();
    const { intervalMs, nextMs = 0 } = message;
    const lasts = MEASURES_MISSED_MAX * Math.max(settings.measuresEveryMs, intervalMs, nextMs);
    cancelStale = timers.after(lasts, () => {
      if (load !== null) load = { ...load, measures: [], degraded: [silenceOf(lasts)] };
    });
  }

  return {
    open() {
      isOpen = true;
      tell();
    },
    close() {
      isOpen = false;
      unconfirmed = null;
      cancelStale();
      load = null;
      work = null;
    },
    set(next) {
      if (JSON.stringify(next) === JSON.stringify(settings)) return;
      settings = next;
      tell();
    },
    runTimes(vcpus) {
      if (load === null || vcpus.length === 0 || isTold) return;
      isTold = true;
      timers.after(RUN_TIMES_EVERY_MS, () => {
        isTold = false;
      });
      work = lookAtWork(work, vcpus);
      if (work.matters) send({ kind: "run-times", vcpus });
    },
    answer(request, answer) {
      if (isOpen) send(answerMessage(request, answer));
    },
    heed(message) {
      switch (message.kind) {
        case "monitor-set":
          if (message.id !== unconfirmed) return;
          unconfirmed = null;
          complaints.clear("monitor");
          setLoad(
            settings?.on === true
              ? { measures: [], degraded: [], ...load, thresholds: message.inForce, unknown: message.unknown }
              : null,
          );
          break;
        case "measures":
          heedMeasures(message);
          break;
        case "request":
          if (admitRequest()) {
            options.onRequest(askedOf(message));
          } else {
            complaints.add(
              "requests",
              (times) =>
                `The guest at ${path} asked for vCPUs more than ${REQUESTS_PER_SECOND_MAX} times in a second; ` +
                `${times} requests were dropped. Look at what runs as root in the guest`,
            );
          }
          break;
        default:
          unreachable(message);
      }
    },
    heedRefusal(id, why) {
      if (id !== unconfirmed) return false;
      unconfirmed = null;
      complaints.add("monitor", () => `The agent at ${path} did not take its monitor's settings: ${why}`);
      setLoad(null);
      return true;
    },
    atWork: () => load !== null,
    load: () => load,
  };
}
