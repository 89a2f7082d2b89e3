/**
 * `vbal whatif` against real guests: two equal guests run the same program again and again while a daemon only observes and
 * records; from that record alone the prediction for `vbal strict` is made, and written down before the daemon is told to enforce
 * and the same program is measured again. The measure is how much more of the program a guest gets done in the same time.
 *
 * Nothing is fitted to any of these runs: the models and their ranges are those of study/whatif.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import type { ControllerState } from "../../core/controller_state.ts";
import type { ControllerEvent } from "../../core/event.ts";
import { DEFAULT_POLICY, type Policy } from "../../core/policy.ts";
import { Daemon } from "../../daemon/daemon.ts";
import { readHistoryFile } from "../../daemon/history/read_history_file.ts";
import { createQmpAdapter } from "../../hypervisor/qmp/qmp_adapter.ts";
import type { Guest } from "../../lab/guest.ts";
import type { GuestProgram } from "../../lab/guest_program.ts";
import { type Lab, startLab } from "../../lab/lab.ts";
import { DEFAULT_CONFIG } from "../../protocol/config.ts";
import { decodeJournal } from "../../protocol/journal.ts";
import type { HostFacts } from "../../study/whatif/host_facts.ts";
import { recordingOf } from "../../study/whatif/recording.ts";
import { type Predicted, type WhatIf, whatIf } from "../../study/whatif/whatif.ts";
import { type MeetingCost, measureMeetingCost, meetingLine } from "./meeting_cost.ts";
import { type Interval, mean, median, ratioOfMeans } from "./repeated_runs.ts";
import { measureSharingLoss, type SharingLoss, sharingLine } from "./sharing_loss.ts";

export interface WhatIfBenchOptions {
  readonly programs: readonly GuestProgram[];
  /** How long to record each program; how long to measure afterwards follows from it. */
  readonly seconds: number;
  /** Of the work at least; a program whose runs would be short has more. */
  readonly scale: number;
  readonly onProgress: (line: string) => void;
}

/** One guest with one program. */
export interface WhatIfCase {
  readonly program: GuestProgram;
  readonly guest: string;
  /** Of the program's work, in every counted run. */
  readonly scale: number;
  readonly predicted: Predicted;
  /** Runs per second under vbal over those while it only observed; 95 % interval over runs. */
  readonly measured: { readonly value: number; readonly ci95: Interval };
  /** Predicted over measured, less 1. */
  readonly error: number;
  /** The measured ratio lies within the predicted interval. */
  readonly covered: boolean;
  /** Seconds of each run, in order. */
  readonly observedSeconds: readonly number[];
  readonly enforcedSeconds: readonly number[];
}

export interface WhatIfBenchResult {
  readonly host: { readonly pcpus: number; readonly model: string; readonly accelerator: string };
  readonly scale: number;
  readonly seconds: number;
  /** Both measured in a guest that was alone on the host, before all else. */
  readonly sharing: SharingLoss;
  readonly meeting: MeetingCost;
  readonly medianAbsoluteError: number;
  readonly coveredCases: number;
  readonly cases: readonly WhatIfCase[];
  /** Programs that could not be compared, with the reason. */
  readonly failed: readonly { readonly program: GuestProgram; readonly why: string }[];
  /** What was predicted, by program, in full. */
  readonly answers: Readonly<Record<string, WhatIf>>;
}

type Mode = Policy["mode"];
/** Seconds of each run, by guest. */
type Stages = { readonly mode: Mode; readonly runs: readonly (readonly number[])[] }[];

const PCPUS = 2;
const SETTLE_MS_MAX = 60_000;
const PROGRAM_MS_MAX = 600_000;
/** A look at a vCPU that is off its pCPU does not count, so there are many. */
const SPIN_LOOKS_MS = 100;
const RUN_SECONDS_MIN = 8;
/** After the record. The machine's own speed drifts by a tenth and more within minutes, so both have several turns. */
const TURNS: readonly Mode[] = ["enforce", "observe", "enforce", "observe", "enforce"];
/** Of the time of the record. */
const TURN_PART = 0.4;
/** One program takes minutes where nobody manages the guests. */
const TRIAL_PART = 5;
const TRIALS_MAX = 4;

export async function benchWhatIf(options: WhatIfBenchOptions): Promise<WhatIfBenchResult> {
  if (availableParallelism() < PCPUS) {
    throw new Error(`The benchmark needs ${PCPUS} pCPUs and this host has ${availableParallelism()}`);
  }
  const lab = await startLab({ dir: "whatif" });
  const scratch = mkdtempSync(join(tmpdir(), "vbal-whatif-"));
  const cases: WhatIfCase[] = [];
  const failed: WhatIfBenchResult["failed"][number][] = [];
  const answers: Record<string, WhatIf> = {};
  try {
    const sharing = await measureSharingLoss(lab);
    options.onProgress(sharingLine(sharing));
    const meeting = await measureMeetingCost(lab);
    options.onProgress(meetingLine(meeting));
    const guests = await bootPair(lab);
    for (const program of options.programs) {
      try {
        const scale = await enoughWork(program, guests, options.scale);
        const work = { program, scale };
        const stages: Stages = [];
        const play = async (mode: Mode, stage: string, seconds: number) => {
          const place = { guests, lab, folder: join(scratch, `${program}-${stage}`) };
          const runs = await underDaemon(mode, place, () => keepRunning(guests, { ...work, seconds }));
          stages.push({ mode, runs });
          return place.folder;
        };
        const recorded = await play("observe", "recorded", options.seconds);
        const answer = answerFrom(recorded, factsOf(lab, { sharing, meeting }));
        answers[program] = answer;
        for (const [n, mode] of TURNS.entries()) await play(mode, `${n}`, TURN_PART * options.seconds);
        cases.push(...guests.map(({ name }, g) => caseOf(work, { name, g }, answer, stages)));
        for (const done of cases.slice(-guests.length)) options.onProgress(progressLine(done));
      } catch (fault) {
        // One program that fails must not cost what was measured of the others.
        failed.push({ program, why: fault instanceof Error ? fault.message : String(fault) });
        options.onProgress(`${program}: ${failed.at(-1)!.why}`);
      }
    }
    return {
      host: { pcpus: PCPUS, model: cpus()[0]?.model ?? "unknown", accelerator: lab.accelerator },
      scale: options.scale,
      seconds: options.seconds,
      sharing,
      meeting,
      medianAbsoluteError: median(cases.map(({ error }) => Math.abs(error))),
      coveredCases: cases.filter(({ covered }) => covered).length,
      cases,
      failed,
      answers,
    };
  } finally {
    await lab.down();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function bootPair(lab: Lab): Promise<readonly Guest[]> {
  const pcpus = Array.from({ length: PCPUS }, (_, pcpu) => pcpu);
  const guests = await Promise.all(
    ["alpha", "beta"].map((name) => lab.boot({ name, vcpus: PCPUS, pcpus, agent: "vbal" })),
  );
  await Promise.all(guests.map((guest) => guest.waitReady()));
  return guests;
}

/** What each guest runs, again and again. */
interface Work {
  readonly program: GuestProgram;
  readonly scale: number;
  readonly seconds: number;
}

/**
 * So much work that a run takes RUN_SECONDS_MIN where nobody manages the guests: a run begins and ends with some tenths of a second in
 * which programs are started, and how long that takes is not what is predicted.
 */
async function enoughWork(program: GuestProgram, guests: readonly Guest[], scale: number): Promise<number> {
  let trial = scale / TRIAL_PART;
  for (let attempt = 0; attempt < TRIALS_MAX; attempt++) {
    const begin = performance.now();
    await Promise.all(
      guests.map((guest) => guest.run(program, { scale: trial, deadlineMs: PROGRAM_MS_MAX })),
    );
    const seconds = (performance.now() - begin) / 1_000;
    const enough = (trial * RUN_SECONDS_MIN) / seconds;
    if (enough <= TRIAL_PART * trial) return Number(Math.max(scale, enough).toPrecision(3));
    // Most of so short a run was the program's beginning, which does not grow with its work.
    trial *= TRIAL_PART;
  }
  return Number(Math.max(scale, trial).toPrecision(3));
}

/**
 * Both guests run the program over and over until the time is up; seconds of each run, by guest. Who is done first goes on
 * without being counted, so that the other's last run has its rival to the end.
 */
async function keepRunning(
  guests: readonly Guest[],
  { program, seconds, scale }: Work,
): Promise<readonly (readonly number[])[]> {
  const until = performance.now() + 1_000 * seconds;
  let counting = guests.length;
  // A guest that failed ends the comparison: nobody must go on into the next program.
  let isOver = false;
  return Promise.all(
    guests.map(async (guest) => {
      const runs: number[] = [];
      let counts = true;
      while (!isOver && (counts || 0 < counting)) {
        const begin = performance.now();
        try {
          await guest.run(program, { scale, deadlineMs: PROGRAM_MS_MAX });
        } catch (fault) {
          isOver = true;
          throw fault;
        }
        if (!counts) continue;
        // By the host's clock, with the start of the program: that is in the record too.
        runs.push((performance.now() - begin) / 1_000);
        if (performance.now() < until) continue;
        counts = false;
        counting--;
      }
      return runs;
    }),
  );
}

interface Stage {
  readonly guests: readonly Guest[];
  readonly lab: Lab;
  /** Of the journal and the history; made when it is not there. */
  readonly folder: string;
}

async function underDaemon<Result>(
  mode: Mode,
  { guests, lab, folder }: Stage,
  play: () => Promise<Result>,
): Promise<Result> {
  mkdirSync(folder, { recursive: true });
  const daemon = new Daemon({
    config: {
      ...DEFAULT_CONFIG,
      policy: {
        ...DEFAULT_POLICY,
        mode,
        pool: Array.from({ length: PCPUS }, (_, pcpu) => pcpu),
        admission: { mode: "strict", loansMax: null },
      },
      journal: { ...DEFAULT_CONFIG.journal, path: join(folder, "journal.jsonl") },
      control: { socket: join(lab.folder, "control.sock") },
    },
    configFile: null,
    hypervisor: createQmpAdapter({
      domains: guests.map(({ name, qmpSocket, agentSocket }) => ({
        name,
        qmp: qmpSocket,
        agent: agentSocket,
      })),
      ...(mode === "observe" ? { spinLooksMs: SPIN_LOOKS_MS } : {}),
    }),
    version: "bench",
    log: () => undefined,
  });
  try {
    await daemon.start();
    await settled(daemon, mode, guests.length);
    return await play();
  } finally {
    await daemon.stop();
  }
}

async function settled(daemon: Daemon, mode: Mode, domains: number): Promise<void> {
  const end = Date.now() + SETTLE_MS_MAX;
  const isSettled = () => {
    const view = daemon.view().domains;
    return (
      view.length === domains &&
      view.every(
        ({ online, target, pending }) =>
          online !== null && (mode === "observe" || (online === target && pending.length === 0)),
      )
    );
  };
  while (!isSettled()) {
    if (end < Date.now())
      throw new Error(`The guests did not settle: ${JSON.stringify(daemon.view().problems)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

interface Measured {
  readonly sharing: SharingLoss;
  readonly meeting: MeetingCost;
}

/** Emulation never notices a vCPU that spins; of other hosts that is left open. */
function factsOf({ accelerator }: Lab, { sharing, meeting }: Measured): HostFacts {
  return {
    pauseLoopExits: accelerator === "tcg" ? false : null,
    sharingLoss: sharing.known,
    handoverNs: 0 < meeting.handoverCi95[0] ? meeting.handoverNs : null,
    wakeupNs: 0 < meeting.wakeupCi95[0] ? meeting.wakeupNs : null,
  };
}

/** What `vbal whatif` says of the folder's record. */
function answerFrom(folder: string, facts: HostFacts): WhatIf {
  const journal = decodeJournal<ControllerEvent, ControllerState>(
    readFileSync(join(folder, "journal.jsonl"), "latin1"),
  );
  if ("unreadable" in journal) throw new Error(journal.unreadable);
  const recording = readHistoryFile(join(folder, "history.db"), (read) => recordingOf(journal, read));
  if ("unusable" in recording) throw new Error(recording.unusable);
  return whatIf({ ...recording, facts });
}

function caseOf(
  { program, scale }: Pick<Work, "program" | "scale">,
  { name: guest, g }: { readonly name: string; readonly g: number },
  answer: WhatIf,
  stages: Stages,
): WhatIfCase {
  const secondsUnder = (wanted: Mode) =>
    stages.flatMap(({ mode, runs }) => (mode === wanted ? runs[g]! : []));
  const [observedSeconds, enforcedSeconds] = [secondsUnder("observe"), secondsUnder("enforce")];
  const predicted = answer.policies
    .find(({ policy }) => policy === "vbal strict")!
    .domains.find(({ domain }) => domain === guest)!.throughput;
  const measured = ratioOfMeans(observedSeconds, enforcedSeconds);
  return {
    program,
    guest,
    scale,
    predicted,
    measured,
    error: predicted.value / measured.value - 1,
    covered: predicted.ci95[0] <= measured.value && measured.value <= predicted.ci95[1],
    observedSeconds,
    enforcedSeconds,
  };
}

function progressLine({ program, guest, predicted, measured, error, ...runs }: WhatIfCase): string {
  const [before, after] = [mean(runs.observedSeconds), mean(runs.enforcedSeconds)];
  return `${program}  ${guest}  ${before.toFixed(2)} s, then ${after.toFixed(2)} s: predicted ${predicted.value.toFixed(2)}, measured ${measured.value.toFixed(2)} (${percent(error)})`;
}

export function percent(part: number): string {
  return `${part < 0 ? "" : "+"}${(100 * part).toFixed(0)} %`;
}
