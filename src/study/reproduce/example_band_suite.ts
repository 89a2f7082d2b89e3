/** A band from 1 to 3 for tests of verdicts. */
import type { Band } from "./bands.ts";

export const ONE_TO_THREE: Band = {
  id: "x",
  figure: "1",
  role: "prediction",
  what: "",
  unit: "",
  published: 2,
  rule: "factor",
  band: [1, 3],
};
