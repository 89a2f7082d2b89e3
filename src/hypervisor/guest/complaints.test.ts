import { describe, expect, test } from "vitest";
import { createVirtualTimers } from "../simulated/virtual_timers.ts";
import { COMPLAINT_LASTS_MS, createComplaints } from "./complaints.ts";

describe("complaints", () => {
  test("are told once per kind with a count, and forgotten after a quiet while or when mended", async () => {
    const timers = createVirtualTimers();
    const complaints = createComplaints(timers);
    const add = (kind: string) => complaints.add(kind, (times) => `${kind} ${times}`);
    add("garbage");
    add("garbage");
    add("flood");
    expect(complaints.list()).toEqual(["garbage 2", "flood 1"]);
    complaints.clear("flood");
    await timers.advance(COMPLAINT_LASTS_MS - 1);
    add("garbage");
    await timers.advance(COMPLAINT_LASTS_MS - 1);
    expect(complaints.list()).toEqual(["garbage 3"]);
    await timers.advance(1);
    expect(complaints.list()).toEqual([]);
  });
});
