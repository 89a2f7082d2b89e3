/**
 * A colour and a letter for each domain. The letter alone tells domains apart, so that nobody needs the colours; they
 * are the golden angle apart on the hue circle, which keeps neighbours in the list far from each other.
 */

/** The number of a domain in the list, as a hue in degrees. */
export function hueOf(number: number): number {
  return Math.round((number * GOLDEN_ANGLE + FIRST_HUE) % 360);
}

const GOLDEN_ANGLE = 137.508;
/** Blue: the first domain is seen most often, and red would look like an alarm. */
const FIRST_HUE = 235;

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** A, B, ... Z, AA, AB, ... */
export function keyOf(number: number): string {
  const rest = Math.floor(number / LETTERS.length);
  return (rest === 0 ? "" : keyOf(rest - 1)) + LETTERS[number % LETTERS.length]!;
}
