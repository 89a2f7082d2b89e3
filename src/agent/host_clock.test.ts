import { expect, test } from "vitest";
import { GuestOfData } from "./guest_of_data.ts";
import { HostClock } from "./host_clock.ts";

const MS = 1_000_000;

test("P-25: the rate between the host's last two messages, for whatever interval the guest samples", () => {
  const guest = new GuestOfData(1);
  const clock = new HostClock(guest);
  clock.hear([{ vcpu: 0, runNs: 5_000 * MS }]);
  expect(clock.within(1_000)).toBeNull();
  guest.pass(2_000);
  clock.hear([
    { vcpu: 0, runNs: 5_500 * MS },
    { vcpu: 1, runNs: 900 * MS },
  ]);
  expect(clock.within(1_000)).toEqual({ runNs: new Map([[0, 250 * MS]]) });
  // Two that arrive together were sent apart.
  guest.pass(10);
  clock.hear([{ vcpu: 0, runNs: 6_000 * MS }]);
  expect(clock.within(400)).toEqual({ runNs: new Map([[0, 100 * MS]]) });
  // The guest was at rest meanwhile, so nothing was told: what it did before says nothing of now.
  guest.pass(5_100);
  clock.hear([{ vcpu: 0, runNs: 6_100 * MS }]);
  expect(clock.within(1_000)).toBeNull();
  guest.pass(1_000);
  clock.hear([{ vcpu: 0, runNs: 6_600 * MS }]);
  expect(clock.within(1_000)).toEqual({ runNs: new Map([[0, 500 * MS]]) });
  // A host that tells no more, a thread that began anew, one that would have run longer than time has passed.
  guest.pass(6_000);
  expect(clock.within(1_000)).toBeNull();
  clock.hear([
    { vcpu: 0, runNs: 6_700 * MS },
    { vcpu: 1, runNs: 7 },
  ]);
  guest.pass(1_000);
  clock.hear([
    { vcpu: 0, runNs: 1 },
    { vcpu: 1, runNs: 1e15 },
  ]);
  expect(clock.within(1_000)).toEqual({ runNs: new Map([[1, 1_000 * MS]]) });
});
