import { expect, test } from "vitest";
import { GuestOfData } from "./guest_of_data.ts";
import { processName } from "./process_name.ts";

/** The agent's name after a boot: always the same process id at the same moment. */
function check(boot: { readonly uuid?: string; readonly btime: number }): string {
  const guest = new GuestOfData(1);
  guest.files
    .set("/proc/self/stat", `134 (vbal-agent) S 1 ${"0 ".repeat(17)}861 0\n`)
    .set("/proc/stat", `cpu 1\nbtime ${boot.btime}\nprocesses 9\n`);
  if (boot.uuid !== undefined) guest.files.set("/proc/sys/kernel/random/uuid", `${boot.uuid}\n`);
  return processName(guest);
}

test("P-12: the host keeps the last answers by id, so no boot may repeat the names of another", () => {
  const first = check({ uuid: "3ac79b2f-4cd4-4e1f-8b7e-000000000001", btime: 1_795_000_000 });
  expect(first).toBe("3ac79b2f4cd4.top2v4.134.861");
  expect(check({ uuid: "91c79b2f-4cd4-4e1f-8b7e-000000000001", btime: 1_795_000_000 })).not.toBe(first);
  // Without entropy, or without the file, the time of the boot alone tells them apart.
  expect(check({ uuid: "3ac79b2f-4cd4-4e1f-8b7e-000000000001", btime: 1_795_000_009 })).not.toBe(first);
  expect(check({ btime: 1_795_000_009 })).not.toBe(check({ btime: 1_795_000_000 }));
});

test("a request's id has 64 characters: the longest name leaves room for its number", () => {
  const guest = new GuestOfData(1);
  guest.files
    .set("/proc/self/stat", `4194304 (x) S 1 ${"0 ".repeat(17)}${Number.MAX_SAFE_INTEGER} 0\n`)
    .set("/proc/stat", "btime 4294967295\n")
    .set("/proc/sys/kernel/random/uuid", "3ac79b2f-4cd4-4e1f-8b7e-000000000001\n");
  expect(processName(guest).length).toBeLessThanOrEqual(50);
});
