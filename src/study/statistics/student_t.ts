/**
 * Quantiles of Student's t: how many standard errors a 95 % interval of a mean reaches to either side.
 *
 * The distribution function is a regularised incomplete beta function, I_x(df / 2, 1 / 2) with x = df / (df + t^2)
 * (Abramowitz & Stegun 26.7.1), computed by its continued fraction (26.5.8) as Lentz evaluates it; the quantile is found by
 * halving an interval. `student_t.test.ts` holds it against the published table.
 *
 * Example. With 10 values there are 9 degrees of freedom: studentQuantile(0.975, 9) is 2.262.
 */
export function studentQuantile(probability: number, degreesOfFreedom: number): number {
  if (!(0 < probability && probability < 1) || degreesOfFreedom < 1) {
    throw new Error(
      `A quantile needs a probability between 0 and 1 and at least one degree of freedom, not ${probability} and ${degreesOfFreedom}`,
    );
  }
  if (probability < 0.5) return -studentQuantile(1 - probability, degreesOfFreedom);
  let low = 0;
  let high = 1;
  while (studentCdf(high, degreesOfFreedom) < probability) high *= 2;
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (low + high) / 2;
    if (studentCdf(middle, degreesOfFreedom) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** A double has 53 bits; more halvings change nothing. */
const HALVINGS = 60;

/** The probability of a value at or below `t`, which is not negative. */
function studentCdf(t: number, degreesOfFreedom: number): number {
  return 1 - incompleteBeta(degreesOfFreedom / (degreesOfFreedom + t * t), degreesOfFreedom / 2, 0.5) / 2;
}

/** I_x(a, b). The continued fraction converges fast below (a + 1) / (a + b + 2), above it its mirror image does. */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (1 <= x) return 1;
  const front = Math.exp(a * Math.log(x) + b * Math.log(1 - x) - logBeta(a, b));
  return x < (a + 1) / (a + b + 2)
    ? (front * fraction(x, a, b)) / a
    : 1 - (front * fraction(1 - x, b, a)) / b;
}

const TERMS_MAX = 500;
const PRECISION = 1e-15;
/** Keeps Lentz's quotients away from zero. */
const TINY = 1e-300;

function fraction(x: number, a: number, b: number): number {
  const away = (value: number): number => (Math.abs(value) < TINY ? TINY : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m <= TERMS_MAX; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    let change = 1;
    for (const term of [even, odd]) {
      d = 1 / away(1 + term * d);
      c = away(1 + term / c);
      change = c * d;
      value *= change;
    }
    if (Math.abs(change - 1) < PRECISION) break;
  }
  return value;
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** Stirling's series after shifting the argument above 10: an error below 1e-12 for positive arguments. */
function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  while (z < 10) {
    shift -= Math.log(z);
    z += 1;
  }
  const inverse = 1 / (z * z);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / z;
  return shift + (z - 0.5) * Math.log(z) - z + Math.log(2 * Math.PI) / 2 + series;
}
