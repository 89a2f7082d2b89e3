import { expect, test } from "vitest";
import { DEFAULT_DOMAIN_POLICY } from "../core/policy.ts";
import { parseDomainChange, parsePolicyAssignments } from "./domain_change.ts";
import { withFields } from "./domain_fields.ts";
import { renderFault } from "./fault.ts";

/** The policy that `vbal set` with these words leads to, or what it says. */
function check(...assignments: string[]): unknown {
  const fields = parsePolicyAssignments(assignments);
  if ("problem" in fields) return fields.problem;
  const change = parseDomainChange(fields.value, ["vm.composite"]);
  if ("faults" in change) return change.faults.map(renderFault);
  return withFields({ ...DEFAULT_DOMAIN_POLICY, cap: 7000, vcpusMin: 2 }, change.value);
}

const BASE = { ...DEFAULT_DOMAIN_POLICY, cap: 7000, vcpusMin: 2 };

test.each<[assignments: string[], expected: unknown]>([
  [["weight=512"], { ...BASE, weight: 512 }],
  [["cap=1.5", "reservation=250m"], { ...BASE, cap: 1500, reservation: 250 }],
  [["cap=none"], { ...BASE, cap: null }],
  [["vcpus.max=4"], { ...BASE, vcpusMax: 4 }],
  [["vcpus.min=1", "vcpus.max=none"], { ...BASE, vcpusMin: 1, vcpusMax: null }],
  [["managed=false", "placement=shared"], { ...BASE, managed: false, placement: "shared" }],
  [["weight=default", "vcpus.max=default", "cap=2"], { ...BASE, cap: 2000 }],
  [["weight"], '"weight" is no FIELD=VALUE. Write it as in weight=512 or vcpus.max=4'],
  [["=5"], '"=5" is no FIELD=VALUE. Write it as in weight=512 or vcpus.max=4'],
  [["cap="], { ...BASE, cap: null }],
  [["vcpus.mox=4"], ['change:1:1: vcpus.mox: There is no field "mox" here. Did you mean "max"?']],
  [
    ["vcpus=4"],
    ["change:1:1: vcpus: A map of fields must stand here, not 4. Write `name: value` lines, indented below"],
  ],
  // A field that is not there is refused whatever it is set to.
  [["wieght=default"], ['change:1:1: wieght: There is no field "wieght" here. Did you mean "weight"?']],
  [["vcpus.mox=default"], ['change:1:1: vcpus.mox: There is no field "mox" here. Did you mean "max"?']],
  [["plug=false", "monitor.on=false", "monitor.measuresEvery=default"], { ...BASE, plug: false }],
  [["monitor.off=default"], [expect.stringMatching(/monitor\.off: There is no field "off" here/)]],
  [["weight=[1"], [expect.stringMatching(/weight: A weight is a whole number from 1 to 65535, not "\[1"/)]],
])("%j", (assignments, expected) => {
  expect(check(...assignments)).toEqual(expected);
});
