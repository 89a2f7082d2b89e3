/**
 * Target: entitlements in milli-pCPU become whole pCPUs (B-21).
 *
 * Theory. Seats in a parliament: fractions become whole numbers whose sum is given, and nobody should be a whole seat
 * off. We keep the lower quota: no domain loses a whole pCPU of its entitlement to the rounding of another.
 * 1. Everybody's least is the whole part of its entitlement, and its vCPUs min if that is more.
 * 2. Where the leasts together exceed the pool (more domains than pCPUs, or many that are due only a little),
 *    the domains with the least entitlement per vCPU share pCPUs: the fewest such domains that make the others fit.
 *    They are due less than they would occupy alone, so several of them fill a pCPU. A domain of one vCPU loses
 *    nothing to double scheduling by it: it has no sibling that could wait for a preempted one.
 * 3. `largest-remainder` hands the pCPUs that are left to those who are furthest below their due, by water-filling
 *    over whole pCPUs with the entitlements as weights; what was taken to lift others to their least is so missing
 *    from everybody in proportion. No pCPU stays idle while a ceiling allows it, none is promised twice.
 *    `floor` leaves them idle, for the host's own work. `ceil` gives every domain its last, fractional vCPU too;
 *    these share pCPUs among themselves while whole vCPUs keep one each.
 * A reservation is rounded up where that fits, since it is a promise. A cap is rounded down, since pins enforce it.
 *
 * Example. 12 pCPUs, 5,142 + 5,142 + 1,716 milli-pCPU: leasts 5, 5, 1, one pCPU left, remainders 142, 142, 716, so
 * 5, 5, 2. Largest remainder is Hamilton's method; Balinski and Young, Fair Representation, 1982.
 */
import type { Rounding } from "./policy.ts";
import { MILLI_PER_PCPU, type MilliPcpu } from "./units.ts";
import { waterFill } from "./water_filling.ts";

/** One grant per stake, in the order of the stakes; ties are broken by that order. `1 <= pcpus`. */
export function wholePcpus(pcpus: number, rounding: Rounding, stakes: readonly Stake[]): Division {
  const leasts = leastOf(pcpus, stakes);
  const floating = stakes.flatMap((stake, index) => (stake.floats ? [index] : []));
  const division = divide({ pcpus, rounding, stakes, leasts, floating });
  // A pool too small for a part of their own: floating domains share like the others.
  return division ?? divide({ pcpus, rounding, stakes, leasts, floating: [] })!;
}

/** What a domain brings to the rounding. `1 <= vcpusMin <= vcpusMax`, both of vCPUs that it has. */
export interface Stake {
  readonly entitlement: MilliPcpu;
  readonly reservation: MilliPcpu;
  readonly cap: MilliPcpu | null;
  readonly vcpusMin: number;
  readonly vcpusMax: number;
  /** Its vCPUs float over pCPUs that all floating domains have in common. */
  readonly floats: boolean;
}

export interface Division {
  readonly grants: readonly Grant[];
  /** The pCPUs on which shared vCPUs of several domains are packed. */
  readonly sharedPcpus: number;
  /** The pCPUs over which the floating domains float. */
  readonly floatingPcpus: number;
}

export interface Grant {
  /** vCPUs that it should use. More than the pool has pCPUs only if its vCPUs min is. */
  readonly target: number;
  /** pCPUs of its own. */
  readonly own: number;
  /** vCPUs that share a pCPU with other domains. */
  readonly shared: number;
  /** What each shared vCPU is due. */
  readonly sharedLoad: MilliPcpu;
  readonly floats: boolean;
}

interface Sharer {
  readonly count: number;
  readonly load: MilliPcpu;
}

interface DivideOptions {
  readonly pcpus: number;
  readonly rounding: Rounding;
  readonly stakes: readonly Stake[];
  readonly leasts: readonly number[];
  readonly floating: readonly number[];
}

function divide({ pcpus, rounding, stakes, leasts, floating }: DivideOptions): Division | null {
  const floats = new Set(floating);
  const pinned = [...stakes.keys()].filter((index) => !floats.has(index));
  const floatDue = sumOf(floating, (index) => stakes[index]!.entitlement);
  const floatLeast =
    floating.length === 0 ? 0 : Math.max(wholePart(floatDue), ...floating.map((index) => leasts[index]!));

  const own = [...leasts];
  const sharers = new Map<number, Sharer>();
  if (rounding === "ceil") {
    for (const index of pinned) {
      const { entitlement, vcpusMin } = stakes[index]!;
      const whole = Math.min(wholePart(entitlement), leasts[index]!);
      const most = mostOf(pcpus, stakes[index]!);
      const up = Math.min(most, Math.max(leasts[index]!, Math.ceil(entitlement / MILLI_PER_PCPU), vcpusMin));
      if (up === whole) continue;
      own[index] = whole;
      sharers.set(index, { count: up - whole, load: entitlement - whole * MILLI_PER_PCPU });
    }
  }

  // The fewest sharers, starting from those with the least for each vCPU, that make the rest fit.
  const smallestFirst = [...pinned].sort(
    (a, b) => stakes[a]!.entitlement * leasts[b]! - stakes[b]!.entitlement * leasts[a]! || a - b,
  );
  let ownSum = sumOf(pinned, (index) => own[index]!);
  let sharedDue = 0;
  let widest = 0;
  for (const sharer of sharers.values()) {
    sharedDue += sharer.load;
    widest = Math.max(widest, sharer.count);
  }
  const sharedLeast = () => Math.max(widest, Math.ceil(sharedDue / MILLI_PER_PCPU));
  for (const index of smallestFirst) {
    if (ownSum + sharedLeast() + floatLeast <= pcpus) break;
    const before = sharers.get(index);
    const count = leasts[index]!;
    ownSum -= own[index]!;
    own[index] = 0;
    sharedDue += stakes[index]!.entitlement - (before?.load ?? 0);
    widest = Math.max(widest, count);
    sharers.set(index, { count, load: stakes[index]!.entitlement });
  }
  if (pcpus < ownSum + sharedLeast() + floatLeast) return null;

  // What is left is handed out over whole pCPUs: a member for each owner, one for all sharers, one for all floaters.
  const grows = rounding === "largest-remainder";
  const owners = pinned.filter((index) => !sharers.has(index) || own[index]! !== 0);
  const sharedCount = sumOf([...sharers.values()], (sharer) => sharer.count);
  const given = waterFill(pcpus, [
    ...owners.map((index) => ({
      weight: Math.max(1, stakes[index]!.entitlement),
      floor: own[index]!,
      ceiling:
        grows && !sharers.has(index) ? Math.max(own[index]!, mostOf(pcpus, stakes[index]!)) : own[index]!,
    })),
    {
      weight: Math.max(1, sharedDue),
      floor: sharedLeast(),
      ceiling: rounding === "floor" ? sharedLeast() : Math.max(sharedLeast(), Math.min(pcpus, sharedCount)),
    },
    {
      weight: Math.max(1, floatDue),
      floor: floatLeast,
      ceiling:
        rounding === "floor"
          ? floatLeast
          : Math.max(
              floatLeast,
              sumOf(floating, (index) => mostOf(pcpus, stakes[index]!)),
            ),
    },
  ]);
  owners.forEach((index, position) => {
    own[index] = given[position]!;
  });
  const sharedPcpus = given[owners.length]!;
  const floatingPcpus = given[owners.length + 1]!;
  const floatTargets = targetsAmongFloating({ pcpus: floatingPcpus, rounding, stakes, leasts, floating });

  const grants = stakes.map((stake, index): Grant => {
    const floatTarget = floatTargets.get(index);
    if (floatTarget !== undefined) {
      const target = Math.max(floatTarget, stake.vcpusMin);
      return { target, own: 0, shared: 0, sharedLoad: 0, floats: true };
    }
    const sharer = sharers.get(index) ?? { count: 0, load: 0 };
    return {
      target: Math.max(own[index]! + sharer.count, stake.vcpusMin),
      own: own[index]!,
      shared: sharer.count,
      sharedLoad: sharer.count === 0 ? 0 : Math.round(sharer.load / sharer.count),
      floats: false,
    };
  });
  return { grants, sharedPcpus, floatingPcpus };
}

/** The whole part of the due, lifted to vCPUs min, with reservations rounded up where all of that fits the pool. */
function leastOf(pcpus: number, stakes: readonly Stake[]): number[] {
  const leasts = (reservedUp: boolean) =>
    stakes.map((stake) => {
      const reserved = Math.min(stake.reservation, stake.entitlement);
      const promised = reservedUp ? Math.ceil(reserved / MILLI_PER_PCPU) : 0;
      const wanted = Math.max(stake.vcpusMin, wholePart(stake.entitlement), promised);
      return Math.min(wanted, mostOf(pcpus, stake));
    });
  const kept = leasts(true);
  return sumOf(kept, (least) => least) <= pcpus ? kept : leasts(false);
}

/** The most pCPUs that are of use to it: a cap rounded down, but never below its vCPUs min. */
function mostOf(pcpus: number, stake: Stake): number {
  const capped = stake.cap === null ? stake.vcpusMax : Math.min(stake.vcpusMax, wholePart(stake.cap));
  return Math.min(pcpus, Math.max(stake.vcpusMin, capped));
}

/** How many vCPUs each floating domain uses on the pCPUs that they have in common. */
function targetsAmongFloating({
  pcpus,
  rounding,
  stakes,
  leasts,
  floating,
}: DivideOptions): Map<number, number> {
  const leastSum = sumOf(floating, (index) => leasts[index]!);
  const room = Math.max(pcpus, leastSum);
  const targets = waterFill(
    rounding === "largest-remainder" ? room : leastSum,
    floating.map((index) => ({
      weight: Math.max(1, stakes[index]!.entitlement),
      floor: leasts[index]!,
      ceiling: Math.max(leasts[index]!, Math.min(pcpus, mostOf(pcpus, stakes[index]!))),
    })),
  );
  return new Map(
    floating.map((index, position) => {
      const up = Math.ceil(stakes[index]!.entitlement / MILLI_PER_PCPU);
      const most = Math.min(pcpus, mostOf(pcpus, stakes[index]!));
      const target = rounding === "ceil" ? Math.max(leasts[index]!, Math.min(up, most)) : targets[position]!;
      return [index, target];
    }),
  );
}

function wholePart(milli: MilliPcpu): number {
  return Math.floor(milli / MILLI_PER_PCPU);
}

function sumOf<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}
