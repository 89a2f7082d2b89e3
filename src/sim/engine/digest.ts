/** FNV-1a over 32-bit words: one number that names a whole run, event by event. */
/** As a signed integer, so that V8 keeps the digest as one. */
export const DIGEST_START: number = 0x811c9dc5 | 0;
const FNV_PRIME = 0x01000193;

export function digest(hash: number, time: number, kind: number, entity: number): number {
  // ^ takes a number modulo 2^32.
  let h = Math.imul(hash ^ time, FNV_PRIME);
  h = Math.imul(h ^ (time / 4294967296), FNV_PRIME);
  h = Math.imul(h ^ kind, FNV_PRIME);
  return Math.imul(h ^ entity, FNV_PRIME);
}
