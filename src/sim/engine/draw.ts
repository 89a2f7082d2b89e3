/**
 * Random numbers without a generator: the n-th draw of a work item is a hash of (its key, n). Two policies that run
 * the same work in different orders therefore draw the same numbers (common random numbers), and no draw depends on
 * who was scheduled first.
 *
 * Only exact IEEE operations: the same numbers on every engine and in the C++ twin.
 * The hash is the finaliser of MurmurHash3 (A. Appleby, public domain), a bijection on 32 bits.
 */

export function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The key of a stream, from what names it: seed, replication, domain, task ... */
export function keyOf(...parts: readonly number[]): number {
  let key = 0x9e3779b9;
  for (const part of parts) key = mix(Math.imul(key, 31) + mix(part + 0x7f4a7c15));
  return key;
}

/** The n-th draw of a stream: 32 uniform bits, as a signed integer (which V8 passes around without allocating). */
export function bits(key: number, n: number): number {
  return mix(key ^ mix(Math.imul(n, 0x9e3779b1) + 0x632be5ab));
}

/** From 32 bits, uniform on (0, 1). */
export function uniform(u: number): number {
  return ((u >>> 0) + 0.5) / 4294967296;
}

const MANTISSA_BITS = 12;
const LN_MANTISSA: Float64Array = lnTable();

/**
 * From 32 bits, exponential with mean 1: minus the logarithm of a uniform number 2^-(e+1) * m with m in [1, 2).
 * ln m comes from a table with linear interpolation (error below 1e-8).
 */
export function exponential(u: number): number {
  const e = Math.clz32(u);
  // The bits below the leading one, at the top of a 32-bit word.
  const fraction = e >= 31 ? 0 : u << (e + 1);
  const index = fraction >>> (32 - MANTISSA_BITS);
  const rest = (fraction & ((1 << (32 - MANTISSA_BITS)) - 1)) / (1 << (32 - MANTISSA_BITS));
  const low = LN_MANTISSA[index];
  return (e + 1) * Math.LN2 - (low + rest * (LN_MANTISSA[index + 1] - low));
}

/** ln(1 + i / 4096) by the series of the inverse hyperbolic tangent: exact operations, the same bits everywhere. */
function lnTable(): Float64Array {
  const size = 1 << MANTISSA_BITS;
  const table = new Float64Array(size + 1);
  for (let i = 0; i <= size; i++) {
    const m = 1 + i / size;
    const z = (m - 1) / (m + 1);
    let power = z;
    let sum = 0;
    // z is at most 1/3: 20 terms leave an error below 1e-19.
    for (let k = 1; k < 40; k += 2) {
      sum += power / k;
      power *= z * z;
    }
    table[i] = 2 * sum;
  }
  return table;
}
