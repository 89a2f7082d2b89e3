/**
 * Stability (B-9): an arrival or a departure moves as few vCPUs as any placement could, compared with trying all of
 * them on hosts without structure, of 6 pCPUs at most.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { makePlan } from "./make_plan.ts";
import type { Snapshot } from "./model.ts";
import type { Plan } from "./plan.ts";
import type { Policy } from "./policy.ts";
import { carriedOut, domainOf, flatHost, policyWith } from "./sample_host.ts";

const SEED = 9_010;
const RUNS = 300;

const histories = fc.record({
  pcpus: fc.integer({ min: 2, max: 6 }),
  domains: fc.array(
    fc.record({ weight: fc.integer({ min: 1, max: 9 }), vcpus: fc.integer({ min: 1, max: 6 }) }),
    {
      minLength: 2,
      maxLength: 4,
    },
  ),
  /** For each step which domains are there, as bits. */
  present: fc.array(fc.integer({ min: 1, max: 15 }), { minLength: 2, maxLength: 5 }),
});

it(`moves the fewest vCPUs possible, ${RUNS} histories from seed ${SEED}`, () => {
  fc.assert(
    fc.property(histories, ({ pcpus, domains, present }) => {
      const named = domains.map((domain, index) => ({ id: `vm${index}`, ...domain }));
      const policy: Policy = policyWith(Object.fromEntries(named.map(({ id, weight }) => [id, { weight }])));
      let host: Snapshot = { pcpus: flatHost(pcpus), domains: [] };
      for (const bits of present) {
        const known = new Map(host.domains.map((domain) => [domain.id, domain]));
        const here = named.filter((_, index) => (bits & (1 << index)) !== 0);
        host = { ...host, domains: here.map(({ id, vcpus }) => known.get(id) ?? domainOf(id, { vcpus })) };
        const plan = makePlan(policy, host);
        // Where domains share, an even load comes before stability.
        const exclusive = plan.domains.every(({ sharesWith }) => sharesWith.length === 0);
        const excess = exclusive ? moved(host, plan) - fewestMoves(host, plan) : 0;
        expect(excess).toBe(0);
        host = carriedOut(host, plan);
      }
    }),
    { seed: SEED, numRuns: RUNS },
  );
});

/** For each domain its size and where those vCPUs are that are in use now and stay so. */
function partiesOf(host: Snapshot, plan: Plan) {
  return plan.domains.map(({ id, target, vcpus }) => {
    const domain = host.domains.find((candidate) => candidate.id === id)!;
    const held = domain.vcpus.flatMap(({ pins }, order) => {
      const stays = domain.guest!.vcpus[order]!.online && vcpus[order]!.online;
      return stays && pins !== null && pins.length === 1 ? [pins[0]!] : [];
    });
    return { id, size: target, held };
  });
}

function moved(host: Snapshot, plan: Plan): number {
  const staying = partiesOf(host, plan).map(({ held }) => held.length);
  const kept = plan.domains.map(({ id, vcpus }) => {
    const before = host.domains.find((domain) => domain.id === id)!.vcpus;
    return vcpus.filter(({ online, pcpus }, order) => {
      const pins = before[order]!.pins;
      return online && pins !== null && pins.length === 1 && pins[0] === pcpus[0];
    }).length;
  });
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return sum(staying) - sum(kept);
}

/** By trying every way to give the pCPUs away. */
function fewestMoves(host: Snapshot, plan: Plan): number {
  const parties = partiesOf(host, plan);
  const left = parties.map(({ size }) => size);
  const total = parties.reduce((sum, { held }) => sum + held.length, 0);
  const mostKept = (pcpu: number): number => {
    if (pcpu === host.pcpus.length) return left.every((size) => size === 0) ? 0 : Number.NEGATIVE_INFINITY;
    let most = mostKept(pcpu + 1);
    parties.forEach(({ held }, index) => {
      if (left[index] === 0) return;
      left[index]! -= 1;
      // Two siblings on one pCPU cannot both stay.
      most = Math.max(most, (held.includes(pcpu) ? 1 : 0) + mostKept(pcpu + 1));
      left[index]! += 1;
    });
    return most;
  };
  return total - mostKept(0);
}
