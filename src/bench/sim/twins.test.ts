/** The twins of the small model give our digests (validation tier V2). A missing one fails, and says what to install. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runMini2l } from "./mini2l.ts";
import { TWIN_SEEDS, TWIN_SHAPES, twinConfigs } from "./twin_configs.ts";
import { prepareTwins, TWINS, type Twin } from "./twins.ts";

const EVENTS = { cxx: 30_000, simjs: 2_000, simpy: 2_000 };

test("at least 20 configurations, each with three seeds", () => {
  expect(TWIN_SHAPES).toBeGreaterThanOrEqual(20);
  expect(TWIN_SEEDS).toBe(3);
});

const folder = mkdtempSync(join(tmpdir(), "vbal-twins-"));
let twins: readonly Twin[] = [];
beforeAll(() => {
  twins = prepareTwins(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(TWINS)("%s", (name) => {
  test("same events, same digest", () => {
    const twin = twins.find((each) => each.name === name)!;
    if ("missing" in twin) throw new Error(twin.missing);
    // The engines that take their time to start are compared on every sixth.
    const configs = twinConfigs(EVENTS[name]).filter((_, i) => name === "cxx" || i % 6 === 0);
    expect(configs.map((config) => twin.run(config).digest)).toEqual(
      configs.map((config) => runMini2l(config).digest),
    );
  });
});
