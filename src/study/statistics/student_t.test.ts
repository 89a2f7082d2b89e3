/** Student's t against the table that every textbook prints (e.g. NIST/SEMATECH e-Handbook, 1.3.6.7.2). */
import { expect, test } from "vitest";
import { studentQuantile } from "./student_t.ts";

const DEGREES = [1, 2, 3, 5, 9, 10, 19, 29, 30, 60, 100];
const TABLE: readonly (readonly [probability: number, quantiles: readonly number[]])[] = [
  [0.9, [3.078, 1.886, 1.638, 1.476, 1.383, 1.372, 1.328, 1.311, 1.31, 1.296, 1.29]],
  [0.95, [6.314, 2.92, 2.353, 2.015, 1.833, 1.812, 1.729, 1.699, 1.697, 1.671, 1.66]],
  [0.975, [12.706, 4.303, 3.182, 2.571, 2.262, 2.228, 2.093, 2.045, 2.042, 2.0, 1.984]],
  [0.99, [31.821, 6.965, 4.541, 3.365, 2.821, 2.764, 2.539, 2.462, 2.457, 2.39, 2.364]],
  [0.995, [63.657, 9.925, 5.841, 4.032, 3.25, 3.169, 2.861, 2.756, 2.75, 2.66, 2.626]],
];

test.each(TABLE)("quantile %d is the printed one, to the last printed digit", (probability, printed) => {
  expect(DEGREES.map((degrees) => Number(studentQuantile(probability, degrees).toFixed(3)))).toEqual(printed);
});

test("the lower half mirrors the upper, and many degrees of freedom give the normal distribution's 1.960", () => {
  expect(studentQuantile(0.025, 7)).toBeCloseTo(-studentQuantile(0.975, 7), 12);
  expect(studentQuantile(0.975, 1e6)).toBeCloseTo(1.96, 4);
});

test("what has no answer is refused", () => {
  expect(() => studentQuantile(0.975, 0)).toThrow("at least one degree of freedom");
  expect(() => studentQuantile(1, 5)).toThrow("between 0 and 1");
});
