/**
 * Allotment: how many vCPUs each domain may use when domains say how many they want. What one leaves unused of its
 * entitlement is lent to those who want more; whoever wants its own back has it at once.
 *
 * Theory. Everybody first gets the lesser of what it wants and what it is due. The pCPUs that are then left are lent
 * one by one, each to whoever would have the smallest loan for its weight with it: weighted max-min fairness over
 * whole pCPUs, which is the highest-averages method (D'Hondt, Jefferson). Unlike largest remainders it is coherent
 * (Balinski and Young, Fair Representation, 1982): when one domain wants one more, then at most one other domain has
 * one less, and nobody else changes; and a pCPU goes from one borrower to another only where that is strictly fairer.
 * Both keep a host with many askers quiet.
 *
 * Example. 8 pCPUs; a, b, c are due 4, 2, 2. a wants 1, b and c want 8 each with weights 2 and 1: 1 + 2 + 2 are their
 * own, 3 are lent: b, b (1/2 and 2/2, which is no more than c's 1/1), c. So a 1, b 4, c 3. When a wants 2, c has 2 again.
 */

/** One per member, in their order. Ties go to who has the pCPU at present, then to who comes first. The loans together are at most what `capacity` leaves. */
export function allot(capacity: number, members: readonly AllotmentMember[]): Allotment[] {
  const owned = members.map(({ strict, wants, least }) => Math.max(least, Math.min(wants, strict)));
  const loans = members.map(() => 0);
  let left = capacity;
  for (const count of owned) left -= count;
  const has = (index: number) => owned[index]! + loans[index]! < members[index]!.present;
  // Only those who want more; there are few, so that a look at each of them for each pCPU is cheap.
  let borrowers = members.flatMap(({ wants }, index) => (owned[index]! < wants ? [index] : []));
  while (0 < left && 0 < borrowers.length) {
    let next = borrowers[0]!;
    for (const index of borrowers) {
      const lower = (loans[index]! + 1) * members[next]!.weight - (loans[next]! + 1) * members[index]!.weight;
      if (lower < 0 || (lower === 0 && has(index) && !has(next))) next = index;
    }
    loans[next]! += 1;
    left -= 1;
    if (owned[next]! + loans[next]! === members[next]!.wants) {
      borrowers = borrowers.filter((index) => index !== next);
    }
  }
  return members.map((_, index) => ({ target: owned[index]! + loans[index]!, loan: loans[index]! }));
}

/** All are whole vCPUs, `1 <= least <= strict`, but for the weight, a positive integer. */
export interface AllotmentMember {
  readonly weight: number;
  /** What it is due by weight alone. */
  readonly strict: number;
  readonly wants: number;
  /** It has as many whatever it wants. */
  readonly least: number;
  /** Its target until now. */
  readonly present: number;
}

export interface Allotment {
  readonly target: number;
  /** How many of these are beyond what it is due. */
  readonly loan: number;
}
