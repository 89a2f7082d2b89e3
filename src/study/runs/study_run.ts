/**
 * One run of a study: a scenario, the number of a replication, and how its start is shaken. Pure, so that any worker
 * on any day gives the same row; the row is flat, as it will stand in a table.
 */
import { keyOf, uniform } from "../../sim/engine/draw.ts";
import { runScenario } from "../../sim/scenario/run_scenario.ts";
import type { Scenario } from "../../sim/scenario/scenario.ts";
import { type FlatRow, flatRow } from "./flat_row.ts";

export interface StudyRun {
  readonly scenario: Scenario;
  readonly replication: number;
  /**
   * Each domain starts up to this many nanoseconds later, drawn from (seed, replication, domain): the same for all
   * policies. How two guests' slices meet is the largest source of variance, and no accident may decide a comparison.
   */
  readonly phaseNs: number;
}

export function studyRun({ scenario, replication, phaseNs }: StudyRun): FlatRow {
  const { config } = scenario;
  const domains = config.domains.map((domain, d) => ({
    ...domain,
    startAt: (domain.startAt ?? 0) + Math.floor(uniform(keyOf(PHASE, config.seed, replication, d)) * phaseNs),
  }));
  const row = runScenario({ ...scenario, config: { ...config, domains } }, replication, null);
  const { commit: _, ...rest } = row;
  const flat = flatRow(rest);
  for (const [name, { vcpus }] of Object.entries(row.domains)) {
    const inUse = vcpus.filter(({ haltedNs, offlineNs }) => haltedNs + offlineNs < row.endedAtNs / 2);
    flat[`domains.${name}.vcpusInUse`] = inUse.length;
    // Of the vCPU that ticks least; none where the domain has no ticks.
    const ticks = vcpus.flatMap((vcpu) => vcpu.ticks ?? []);
    if (0 < ticks.length) flat[`domains.${name}.vcpuTicksMin`] = Math.min(...ticks);
    flat[`domains.${name}.vcpuRunningNsMin`] = Math.min(...vcpus.map(({ runningNs }) => runningNs));
  }
  for (const { name, startAt } of domains) {
    flat[`domains.${name}.startAtNs`] = startAt;
    const finishedAt = flat[`domains.${name}.finishedAtNs`];
    flat[`domains.${name}.executionNs`] = typeof finishedAt === "number" ? finishedAt - startAt : null;
  }
  return flat;
}

/** Names a run, whatever file it came from: equal keys, equal rows. */
export function keyOfRun({ scenario, replication, phaseNs }: StudyRun): string {
  const { seed, tieSalt = 0 } = scenario.config;
  return [scenario.name, scenario.configHash, seed, tieSalt, phaseNs, replication].join(":");
}

/** Apart from every stream of the simulator itself. */
const PHASE = 0x70_68_61_73;
