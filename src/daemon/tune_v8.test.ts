/** What is told to V8, in a process of its own: a flag that V8 does not know would be told to nobody else. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { threadFile } from "./thread_file.ts";

/** Capacity of the young generation in MiB after objects survived in it again and again. */
function check(preparation: string): number {
  const program = `
    import { getHeapSpaceStatistics } from "node:v8";
    import { growWithHost, keepMemorySmall, keepPlansFast } from "${threadFile("tune_v8.js").href}";
    keepPlansFast();
    ${preparation}
    const kept = [];
    for (let i = 0; i < 1_000_000; i++) kept[i % 100_000] = { i };
    console.log(getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size);`;
  const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  return Number(printed) / 2 ** 20;
}

test("a small host's daemon keeps a small young generation; a large host's, and one that was told nothing, do not", () => {
  const small = check("keepMemorySmall(); growWithHost(32);");
  expect(small).toBeLessThanOrEqual(4);
  expect(check("keepMemorySmall(); growWithHost(33);")).toBeGreaterThan(2 * small);
  // The safeguard switched off.
  expect(check("growWithHost(32);")).toBeGreaterThan(2 * small);
});
