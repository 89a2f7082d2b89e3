/** Invariant 12, on a long story: what a daemon decided is decided again from its journal, wherever that is begun to be read. */
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { worlds } from "./daemon_world_suite.ts";
import { replay } from "./replay.ts";

const worldOf = worlds();

test("a whole story, with kills and rotations, decides the same again from every file and checkpoint", async () => {
  const world = worldOf({ pcpus: 4, maxBytes: 64 * 1024 });
  await world.start();
  for (let i = 0; i < 24; i++) {
    world.host.arrive({
      id: `d${i}`,
      vcpus: 4,
      guest: (["obedient", "slow", "stuck", "silent"] as const)[i % 4]!,
    });
    await world.pass(1_500);
    if (i % 3 === 2) world.daemon.setDomain(`d${i}`, { weight: 100 + i });
    if (i % 5 === 4) {
      await world.kill();
      await world.start();
    }
    if (i >= 3) world.host.depart(`d${i - 3}`);
  }
  await world.stop();
  const files = world.journals();
  expect(
    readdirSync(world.folder)
      .filter((name) => name.startsWith("journal") && !name.endsWith(".lock"))
      .sort(),
  ).toEqual(["journal.jsonl", "journal.jsonl.1", "journal.jsonl.2", "journal.jsonl.3"]);
  for (const records of files) {
    const whole = replay(records, "start");
    expect(whole.differences).toEqual([]);
    records.forEach(({ record }, i) => {
      if (record.kind !== "checkpoint") return;
      const part = replay(records.slice(i), "start");
      expect(part.differences).toEqual([]);
      expect(part.state).toEqual(whole.state);
    });
  }
});
