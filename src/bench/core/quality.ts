/** How good the placements are: the planner's against the oracle's on hosts small enough to search. */
import { makePlan } from "../../core/make_plan.ts";
import type { Snapshot } from "../../core/model.ts";
import type { Plan } from "../../core/plan.ts";
import { policyOf } from "../../core/policy.ts";
import { carriedOut, type HostShape } from "../../core/sample_host.ts";
import { type Draw, pick, seeded } from "../seeded.ts";
import {
  bestLargestLoad,
  bestPlacement,
  costOfPlacement,
  isCheaper,
  type OracleParty,
  type PlacementCost,
} from "./oracle.ts";
import { churned, randomWorld, type World } from "./random_worlds.ts";

export function measureQuality({ seed, cases }: QualityOptions): QualityRow[] {
  const kinds = Object.keys(SHAPES) as (keyof typeof SHAPES)[];
  return kinds.map((kind) => {
    const draw = seeded(seed);
    const results = Array.from({ length: cases }, () => placementCase(draw, SHAPES[kind]));
    return { kind, ...summaryOf(results) };
  });
}

/** The even load of shared pCPUs: more domains than pCPUs, against the least possible largest load. */
export function measureEvenness({ seed, cases }: QualityOptions): EvennessRow {
  const draw = seeded(seed);
  const excesses = Array.from({ length: cases }, () => evennessCase(draw)).filter(
    (excess) => excess !== null,
  );
  return {
    cases: excesses.length,
    optimal: excesses.filter((excess) => excess <= LOAD_ROUNDING).length,
    worstExcess: Math.max(0, ...excesses),
  };
}

export interface QualityOptions {
  readonly seed: number;
  readonly cases: number;
}

export interface QualityRow {
  readonly kind: string;
  readonly cases: number;
  /** Cases in which the plan costs what the oracle's best costs. */
  readonly optimal: number;
  /** Of the others: which part of the objective is the first to be worse, how often, and by how much at most. */
  readonly gaps: readonly { readonly part: string; readonly cases: number; readonly worst: number }[];
}

export interface EvennessRow {
  readonly cases: number;
  readonly optimal: number;
  /** Milli-pCPU by which the fullest shared pCPU exceeds the oracle's. */
  readonly worstExcess: number;
}

const SHAPES = {
  flat: [{ pcpus: 6, perNode: 6, perLlc: 6, perCore: 1 }],
  smt: [{ pcpus: 8, perNode: 8, perLlc: 8, perCore: 2 }],
  "two nodes": [{ pcpus: 8, perNode: 4, perLlc: 4, perCore: 1 }],
  "two nodes, smt": [
    { pcpus: 8, perNode: 4, perLlc: 4, perCore: 2 },
    { pcpus: 8, perNode: 8, perLlc: 4, perCore: 2 },
  ],
} as const satisfies Record<string, readonly HostShape[]>;

const PARTS = ["hint", "nodes", "split cores", "LLCs", "cores", "moved vCPUs"] as const;

/** Loads are rounded to whole milli-pCPU. */
const LOAD_ROUNDING = 2;

interface CaseResult {
  readonly ours: PlacementCost;
  readonly best: PlacementCost;
}

function placementCase(draw: Draw, shapes: readonly HostShape[]): CaseResult {
  const shape = pick(draw, shapes);
  const domains = 2 + draw(3);
  for (;;) {
    let world = randomWorld(draw, { domains, shape, vcpusMax: shape.pcpus });
    // Half of the cases are a change on a host where an earlier plan was carried out.
    if (draw(2) === 1) {
      const plan = makePlan(world.policy, world.snapshot);
      const settled = { ...world, snapshot: carriedOut(world.snapshot, plan) };
      world = churned(draw, settled, { serial: domains, vcpusMax: shape.pcpus });
    }
    const plan = makePlan(world.policy, world.snapshot);
    if (plan.domains.some(({ sharesWith }) => 0 < sharesWith.length)) continue;
    return compare(world, plan);
  }
}

export function compare({ policy, snapshot }: World, plan: Plan): CaseResult {
  const parties = plan.domains.map(
    (domain): OracleParty => ({
      size: domain.vcpus.filter(({ online }) => online).length,
      node: policyOf(policy, domain.id).node,
      held: heldNow(snapshot, plan, domain.id),
    }),
  );
  const ownerOf = snapshot.pcpus.map(({ id }) =>
    plan.domains.findIndex(({ vcpus }) => vcpus.some(({ online, pcpus }) => online && pcpus.includes(id))),
  );
  return {
    ours: costOfPlacement(snapshot.pcpus, parties, ownerOf),
    best: bestPlacement(snapshot.pcpus, parties),
  };
}

/** Where those vCPUs are pinned that are in use now and stay so. */
function heldNow(snapshot: Snapshot, plan: Plan, id: string): number[] {
  const domain = snapshot.domains.find((candidate) => candidate.id === id)!;
  const planned = plan.domains.find((candidate) => candidate.id === id)!;
  return domain.vcpus.flatMap(({ pins }, order) => {
    const stays = domain.guest!.vcpus[order]!.online && planned.vcpus[order]!.online;
    return stays && pins !== null && pins.length === 1 ? [...pins] : [];
  });
}

function summaryOf(results: readonly CaseResult[]): Omit<QualityRow, "kind"> {
  const worse = results.filter(({ ours, best }) => isCheaper(best, ours));
  const gaps = PARTS.map((part, index) => {
    const differences = worse
      .filter(({ ours, best }) => ours.findIndex((value, at) => value !== best[at]) === index)
      .map(({ ours, best }) => ours[index]! - best[index]!);
    return { part, cases: differences.length, worst: Math.max(0, ...differences) };
  });
  return {
    cases: results.length,
    optimal: results.length - worse.length,
    gaps: gaps.filter(({ cases }) => 0 < cases),
  };
}

/** By how much the fullest shared pCPU exceeds the oracle's; `null` when nobody shares. */
function evennessCase(draw: Draw): number | null {
  const pcpus = 2 + draw(3);
  const shape = { pcpus, perNode: pcpus, perLlc: pcpus, perCore: 1 };
  const { policy, snapshot } = randomWorld(draw, { domains: pcpus + 1 + draw(5), shape, vcpusMax: 2 });
  const plan = makePlan(policy, snapshot);
  const loads = new Map<number, number>();
  const shared = plan.domains.filter(({ sharesWith }) => 0 < sharesWith.length);
  if (shared.length === 0) return null;
  const vcpus = shared.flatMap(({ id, entitlement, vcpus }) => {
    const used = vcpus.filter(({ online }) => online);
    const load = entitlement / used.length;
    for (const vcpu of used) loads.set(vcpu.pcpus[0]!, (loads.get(vcpu.pcpus[0]!) ?? 0) + load);
    return used.map(() => ({ domain: id, load }));
  });
  return Math.max(...loads.values()) - bestLargestLoad(loads.size, vcpus);
}
