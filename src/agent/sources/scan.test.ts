import { expect, test } from "vitest";
import { GuestOfData } from "../guest_of_data.ts";
import { startScan } from "./scan.ts";

test("a scan of threads ends with its time, and knows how many it left out", () => {
  const guest = new GuestOfData(1);
  const scan = startScan(guest, 5);
  let looked = 0;
  for (let thread = 0; thread < 20; thread++) {
    if (!scan.goesOn()) continue;
    looked += 1;
    guest.pass(1);
  }
  expect([looked, scan.leftOut()]).toEqual([5, 15]);
});
