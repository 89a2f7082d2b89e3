/**
 * Water-filling: dividing an amount by weight between a floor and a ceiling for each member.
 *
 * Theory. Picture a vessel per member, as wide as its weight, whose bottom stands at its floor and whose lid is its
 * ceiling, all joined by pipes. Pour the amount in: the water rises to one level L, and each member holds
 * `clamp(weight * L, floor, ceiling)`. This is weighted max-min fairness: nobody can be given more without taking
 * from somebody who has less for its weight. The sum grows with L in straight pieces that change slope only where a
 * member leaves its floor (L = floor / weight) or meets its ceiling (L = ceiling / weight), so one walk over the
 * sorted 2n corners finds L. Source: Bertsekas and Gallager, Data Networks, 2nd ed., section 6.5.2 (max-min flow
 * control); the walk over corners is the usual solution of the continuous knapsack with bounds.
 *
 * Integers. At level L the members between floor and ceiling split what is left exactly in proportion to weight.
 * Each gets the whole part and the units that remain go one each to the largest remainders, ties to the member that
 * comes first (Hamilton's method). Floors and ceilings are integers, so no member is pushed out of its bounds.
 *
 * Example. 12 units; weights 2, 1, 1; the first may hold 4 at most. 2:1:1 would be 6, 3, 3, but the lid of the first
 * is at 4, so 8 remain for the other two: 4, 4, 4.
 *
 * Cost: O(n log n). Exact while amount * weight stays below 2^53: for weights up to 65,535 that is 137 million pCPUs
 * in milli-pCPU.
 */
export function waterFill(amount: number, members: readonly WaterFillMember[]): number[] {
  const floorSum = members.reduce((sum, member) => sum + member.floor, 0);
  const ceilingSum = members.reduce((sum, member) => sum + member.ceiling, 0);
  if (ceilingSum <= amount) return members.map((member) => member.ceiling);
  if (amount <= floorSum) {
    return splitInProportion(
      amount,
      members.map((member) => member.floor),
    );
  }

  // Corner c below n is where member c leaves its floor, corner n + c is where it meets its ceiling; in flat arrays,
  // since the sort below looks at each of them some twenty times.
  const count = members.length;
  const heights = new Float64Array(2 * count);
  const weights = new Float64Array(2 * count);
  members.forEach(({ weight, floor, ceiling }, index) => {
    heights[index] = floor;
    heights[count + index] = ceiling;
    weights[index] = weight;
    weights[count + index] = weight;
  });
  // Levels are fractions, compared by cross-multiplication; at the same level, floors come before ceilings.
  const corners = Array.from(heights, (_, corner) => corner).sort(
    (a, b) => heights[a]! * weights[b]! - heights[b]! * weights[a]! || a - b,
  );

  const given = members.map((member) => member.floor);
  const rising = members.map(() => 0);
  let fixed = floorSum;
  let risingWeight = 0;
  for (const corner of corners) {
    const { floor, ceiling, weight } = members[corner % count]!;
    if ((amount - fixed) * weight <= risingWeight * heights[corner]!) break;
    if (corner < count) {
      fixed -= floor;
      risingWeight += weight;
      rising[corner] = weight;
    } else {
      fixed += ceiling;
      risingWeight -= weight;
      rising[corner - count] = 0;
      given[corner - count] = ceiling;
    }
  }
  splitInProportion(amount - fixed, rising).forEach((part, index) => {
    if (rising[index] !== 0) given[index] = part;
  });
  return given;
}

/** All three are integers, `0 <= floor <= ceiling` and `1 <= weight`. Units are the caller's. */
export interface WaterFillMember {
  readonly weight: number;
  readonly floor: number;
  readonly ceiling: number;
}

/** The integer split of `amount` in proportion to `weights`, by largest remainder, ties to the first. */
export function splitInProportion(amount: number, weights: readonly number[]): number[] {
  const weightSum = weights.reduce((sum, weight) => sum + weight, 0);
  if (weightSum === 0) return weights.map(() => 0);
  const remainders = weights.map((weight) => (amount * weight) % weightSum);
  const parts = weights.map((weight, index) => (amount * weight - remainders[index]!) / weightSum);
  const left = amount - parts.reduce((sum, part) => sum + part, 0);
  if (left === 0) return parts;
  const byRemainder = weights
    .map((_, index) => index)
    .sort((a, b) => remainders[b]! - remainders[a]! || a - b);
  for (const index of byRemainder.slice(0, left)) parts[index]! += 1;
  return parts;
}
