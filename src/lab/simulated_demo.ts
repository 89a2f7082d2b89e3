/**
 * What `npm start` shows where real guests cannot be had: the shipped daemon on a simulated host, with domains that
 * come, go and change. There are no rates: a simulated host knows who runs where, not how fast a program would be.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_POLICY } from "../core/policy.ts";
import { Daemon, type LogLine } from "../daemon/daemon.ts";
import { runInRealTime } from "../hypervisor/simulated/run_in_real_time.ts";
import { createSimulatedHost, type SimulatedHost } from "../hypervisor/simulated/simulated_host.ts";
import { DEFAULT_CONFIG } from "../protocol/config.ts";
import type { StateView } from "../protocol/state_view.ts";

export interface SimulatedDemoState {
  /** What just happened, for a person. */
  readonly scene: string;
  readonly view: StateView;
  readonly controlSocket: string;
}

export interface SimulatedDemoOptions {
  readonly version: string;
  readonly signal: AbortSignal;
  readonly onState: (state: SimulatedDemoState) => void;
  readonly log: (line: LogLine) => void;
}

const PCPUS = 12;
const SCENE_SECONDS = 6;

interface Scene {
  readonly text: string;
  readonly happens: (host: SimulatedHost, daemon: Daemon) => void;
}

/** Played in a circle. */
const SCENES: readonly Scene[] = [
  {
    text: "web arrives with 12 vCPUs and has the host for itself",
    happens: (host) => host.arrive({ id: "web", vcpus: 12 }),
  },
  {
    text: "db arrives with half of web's weight: the paper's example, 8 pCPUs and 4",
    happens: (host, daemon) => {
      daemon.setDomain("web", { weight: 512 });
      host.arrive({ id: "db", vcpus: 12 });
    },
  },
  {
    text: "mail arrives, and its guest does not answer: it is confined, never shrunk by guess",
    happens: (host) => host.arrive({ id: "mail", vcpus: 4, guest: "silent" }),
  },
  { text: "web's weight is halved", happens: (_, daemon) => daemon.setDomain("web", { weight: 256 }) },
  { text: "mail departs", happens: (host) => host.depart("mail") },
  {
    text: "web and db depart; it begins again",
    happens: (host) => {
      host.depart("web");
      host.depart("db");
    },
  },
];

/** Resolves when the signal comes. */
export async function runSimulatedDemo(options: SimulatedDemoOptions): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "vbal-demo-"));
  const host = createSimulatedHost({ pcpus: PCPUS });
  const stopTime = runInRealTime(host);
  const controlSocket = join(folder, "control.sock");
  const daemon = new Daemon({
    config: {
      ...DEFAULT_CONFIG,
      policy: DEFAULT_POLICY,
      journal: { ...DEFAULT_CONFIG.journal, path: join(folder, "journal.jsonl") },
      control: { socket: controlSocket },
    },
    configFile: null,
    hypervisor: host.connect(),
    version: options.version,
    log: options.log,
  });
  let scene = "";
  const draw = () => options.onState({ scene, view: daemon.view(), controlSocket });
  const ticking = setInterval(draw, 500);
  try {
    await daemon.start();
    for (let i = 0; !options.signal.aborted; i = (i + 1) % SCENES.length) {
      const next = SCENES[i]!;
      scene = next.text;
      next.happens(host, daemon);
      draw();
      await pause(SCENE_SECONDS, options.signal);
    }
  } finally {
    clearInterval(ticking);
    await daemon.stop();
    stopTime();
    rmSync(folder, { recursive: true, force: true });
  }
}

function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
