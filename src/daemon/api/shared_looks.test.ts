/** However many look, the control loop's thread is asked a bounded number of times. */
import { expect, test } from "vitest";
import type { ApiTarget } from "./api_target.ts";
import { sharedLooks } from "./shared_looks.ts";

function countingTarget(): { readonly asked: Record<"plan" | "meters", number>; readonly target: ApiTarget } {
  const asked = { plan: 0, meters: 0 };
  const done = { ok: true, message: "done" } as const;
  const target: ApiTarget = {
    view: () => Promise.reject(new Error("not shared here")),
    plan: () => {
      asked.plan += 1;
      return { number: asked.plan } as never;
    },
    meters: () => {
      asked.meters += 1;
      return Promise.reject(new Error(`no meters ${asked.meters}`));
    },
    previewParts: () => ({ ok: false, errors: [] }),
    setDomain: () => done,
    requestVcpu: () => ({ ok: false, errors: [] }),
    reload: () => done,
    setPaused: () => done,
  };
  return { asked, target };
}

test("a hundred looks at once cost one plan; without sharing they cost a hundred", async () => {
  const { asked, target } = countingTarget();
  const looks = sharedLooks(target);
  const seen = await Promise.all(Array.from({ length: 100 }, async () => await looks.plan()));
  expect(new Set(seen).size).toBe(1);
  expect(asked.plan).toBe(1);
  for (let i = 0; i < 100; i++) await target.plan();
  expect(asked.plan).toBe(101);
});

test("whoever changes something sees it in the next look", async () => {
  const { asked, target } = countingTarget();
  const looks = sharedLooks(target);
  await looks.plan();
  for (const change of [
    () => looks.setDomain("web", {}),
    () => looks.reload(),
    () => looks.setPaused(true, "me"),
  ]) {
    const before = asked.plan;
    await change();
    await looks.plan();
    expect(asked.plan).toBe(before + 1);
  }
});

test("what could not be had is told, and asked for again", async () => {
  const { target } = countingTarget();
  const looks = sharedLooks(target);
  await expect(looks.meters()).rejects.toThrow("no meters 1");
  await expect(looks.meters()).rejects.toThrow("no meters 2");
});
