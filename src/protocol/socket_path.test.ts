import { expect, test } from "vitest";
import { fitsSocketPath } from "./socket_path.ts";

test.each([
  ["107 letters", "x".repeat(107), true],
  ["108 letters", "x".repeat(108), false],
  ["53 letters of two bytes", "é".repeat(53), true],
  ["54 letters of two bytes", "é".repeat(54), false],
  ["36 signs of three bytes", "€".repeat(36), false],
  ["26 signs of four bytes", "😀".repeat(26), true],
  ["27 signs of four bytes", "😀".repeat(27), false],
])("%s", (_, path, fits) => {
  expect(fitsSocketPath(path)).toBe(fits);
  expect(Buffer.byteLength(path) <= 107).toBe(fits);
});
