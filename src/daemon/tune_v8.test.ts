/** What is told to V8, in a process of its own: a flag that V8 does not know would be told to nobody else. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { threadFile } from "./thread_file.ts";

function printed(preparation: string, program: string): string {
  const whole = `
    import { getHeapSpaceStatistics } from "node:v8";
    import { growWithHost, keepPlansFast, keepSmall } from "${threadFile("tune_v8.js").href}";
    keepPlansFast();
    ${preparation}
    ${program}`;
  // Not beside the program: whether V8 had the time for it is not the question.
  const flags = ["--allow-natives-syntax", "--no-concurrent-recompilation"];
  return execFileSync(process.execPath, [...flags, "--input-type=module", "--eval", whole], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  }).trim();
}

/** Capacity of the young generation in MiB after objects survived in it again and again. */
function youngMiB(preparation: string): number {
  const bytes = printed(
    preparation,
    `const kept = [];
    for (let i = 0; i < 1_000_000; i++) kept[i % 100_000] = { i };
    console.log(getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size);`,
  );
  return Number(bytes) / 2 ** 20;
}

/** Whether V8 optimises a function that has run for so many steps of a loop. */
function optimises(preparation: string, steps: number): boolean {
  const status = printed(
    preparation,
    `const sum = () => { let sum = 0; for (let i = 0; i < 1_000; i++) sum = (sum + i) % 1_000; return sum; };
    for (let i = 0; i < ${steps} / 1_000; i++) sum();
    for (let i = 0; i < 3; i++) sum();
    console.log(%GetOptimizationStatus(sum));`,
  );
  return (Number(status) & OPTIMIZED) !== 0;
}

/** In V8's OptimizationStatus. */
const OPTIMIZED = 1 << 4;

test("a small host's daemon keeps a small young generation; a large host's, and one that was told nothing, do not", () => {
  const small = youngMiB("keepSmall(); growWithHost(32);");
  expect(small).toBeLessThanOrEqual(4);
  expect(youngMiB("keepSmall(); growWithHost(33);")).toBeGreaterThan(2 * small);
  // The safeguard switched off.
  expect(youngMiB("growWithHost(32);")).toBeGreaterThan(2 * small);
});

test.each([
  { daemon: "a small host's", preparation: "keepSmall(); growWithHost(32);", soon: false },
  { daemon: "a large host's", preparation: "keepSmall(); growWithHost(33);", soon: true },
  { daemon: "the safeguard switched off: any", preparation: "", soon: true },
])("$daemon daemon optimises what runs for long; what ran for a moment: $soon", ({ preparation, soon }) => {
  expect(optimises(preparation, 20_000)).toBe(soon);
  expect(optimises(preparation, 10_000_000)).toBe(true);
});
