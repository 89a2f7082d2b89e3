import { describe, expect, test } from "vitest";
import { disagreements, freeSlotsOf } from "./known_domain.ts";
import { parseLiveDefinition } from "./live_definition.ts";

describe("libvirt and the kernel disagree about a vCPU", () => {
  test.each([
    ["they agree", { believed: [[0, 1]], before: [[0, 1]], after: [[0, 1]] }, []],
    ["somebody pinned it with taskset", { believed: [[0, 1]], before: [[0]], after: [[0]] }, [[0, [0]]]],
    [
      "a pin is under way: the kernel has it already",
      { believed: [[0, 1]], before: [[0, 1]], after: [[0]] },
      [],
    ],
    ["a pin is under way: libvirt has it already", { believed: [[0]], before: [[0, 1]], after: [[0]] }, []],
    ["its thread is gone", { believed: [[0, 1]], before: [[0]], after: [null] }, []],
    ["one of two", { believed: [[0], [0, 1]], before: [[0], [1]], after: [[0], [1]] }, [[1, [1]]]],
  ])("%s", (_, { believed, before, after }, expected) => {
    expect([...disagreements(believed, before, after)]).toEqual(expected);
  });
});

describe("free slots", () => {
  const slots = (type: string, metadata: string) =>
    freeSlotsOf(
      parseLiveDefinition(
        `<domain type='${type}'><name>a</name><uuid>u</uuid><vcpu current='1'>3</vcpu><metadata>${metadata}</metadata></domain>`,
      ),
    ).map(({ index }) => index);
  const worn = '<vbal-note:unplugged xmlns:vbal-note="urn:vbal:unplugged"/>';

  test("those that the definition has room for", () => expect(slots("kvm", "")).toEqual([1, 2]));
  test("none in a guest under emulation that gave a vCPU back: its QEMU would die", () =>
    expect(slots("qemu", worn)).toEqual([]));
  test("under KVM that is no matter", () => expect(slots("kvm", worn)).toEqual([1, 2]));
});
