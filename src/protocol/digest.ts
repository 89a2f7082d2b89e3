/**
 * A short name for a value: equal values have equal digests whatever the order of their keys. For comparing a replay
 * with what happened; it is no protection against an adversary.
 *
 * FNV-1a with 64 bits (Fowler, Noll, Vo) over canonical JSON: keys sorted, `undefined` left out as JSON does.
 */
export function digestOf(value: unknown): string {
  return fnv1a64(canonicalJson(value));
}

/** JSON with sorted keys. The value is plain data, as whatever is written to a journal. */
export function canonicalJson(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) => {
      if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
      const entries = Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      return Object.fromEntries(entries);
    }) ?? "undefined"
  );
}

/**
 * Both bytes of each UTF-16 unit, so that no character is lost. A 64-bit product from two halves: the prime is
 * 2^40 + 0x1b3, so the high half takes the low one shifted by 8 bits, and a carry.
 */
function fnv1a64(text: string): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  const mix = (byte: number): void => {
    low = (low ^ byte) >>> 0;
    const product = low * PRIME_LOW;
    high = (Math.imul(high, PRIME_LOW) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0;
    low = product >>> 0;
  };
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    mix(unit & 0xff);
    // Plain ASCII, nearly all there is, gives the digests that other implementations of FNV-1a give.
    if (0xff < unit) mix(unit >>> 8);
  }
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

const PRIME_LOW = 0x1b3;
