/** A program has the same work for every number of workers. */
import { expect, test } from "vitest";
import { commandFor } from "./guest_program.ts";

test.each([1, 2, 4])("stress-ng counts the operations of all %d workers together", (threads) => {
  const line = commandFor("stress-ng", { threads, scale: 2 }).at(-1);
  expect(line).toContain(`--mmapmany ${threads} --mmapmany-ops 3000`);
});

test("without a number there is a worker for every vCPU that is online", () => {
  expect(commandFor("stress-ng", {}).at(-1)).toContain("--mmapmany $(nproc) --mmapmany-ops 1500");
});
