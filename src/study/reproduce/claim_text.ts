/** How claims read: bands, intervals, and how many were met. */
import { short } from "../plot/verdicts.ts";
import type { Claim } from "./claim.ts";

/** "1.95 to 3.25", "at least 80", "at most 3" */
export function renderBand({ band: [low, high] }: Claim): string {
  if (low !== null && high !== null) return low === high ? short(low) : `${short(low)} to ${short(high)}`;
  if (low !== null) return `at least ${short(low)}`;
  return high === null ? "any" : `at most ${short(high)}`;
}

export function renderInterval({ ci95 }: Claim): string {
  return ci95 === null ? "" : `${short(ci95[0])} to ${short(ci95[1])}`;
}

/** "with so much memory 2.1 [1.9, 2.3]: confirmed"; empty when nothing was tested. */
export function renderTested({ tested, inside }: Claim): string {
  if (inside !== false) return "";
  return tested
    .map(({ with: change, predicted, ci95, outcome }) => {
      const interval = ci95 === null ? "" : ` [${short(ci95[0])}, ${short(ci95[1])}]`;
      return `with ${change} ${short(predicted)}${interval}: ${outcome}`;
    })
    .join("; ");
}

/** "31 of 40 predictions inside their bands; 8 of 9 calibrated" */
export function score(claims: readonly Claim[]): string {
  const of = (role: Claim["role"]) => claims.filter((claim) => claim.role === role);
  const inside = (list: readonly Claim[]): number => list.filter((claim) => claim.inside === true).length;
  const [predictions, calibrated] = [of("prediction"), of("calibrated")];
  const parts = [
    ...(predictions.length > 0
      ? [`${inside(predictions)} of ${predictions.length} predictions inside their bands`]
      : []),
    ...(calibrated.length > 0 ? [`${inside(calibrated)} of ${calibrated.length} calibrated points`] : []),
  ];
  return parts.join("; ");
}
