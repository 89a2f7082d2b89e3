import { expect, test } from "vitest";
import { inGuest, numberNodes, targetInGuest } from "./node_numbers.ts";

/** Places of sockets with one core each, with QEMU's nodes. */
const sockets = (...nodes: number[]) =>
  nodes.map((guestNode, guestSocket) => ({ guestSocket, guestCore: 0, guestThread: 0, guestNode }));

test.each([
  { why: "one node", nodes: [0, 0], numbers: { 0: 0 } },
  { why: "in QEMU's order", nodes: [0, 1], numbers: { 0: 0, 1: 1 } },
  { why: "vCPU 0 is in QEMU's node 1", nodes: [1, 0], numbers: { 1: 0, 0: 1 } },
  { why: "a number left out", nodes: [0, 3, 2], numbers: { 0: 0, 3: 1, 2: 2 } },
])("Linux counts nodes as the firmware names them: $why", ({ nodes, numbers }) => {
  expect(Object.fromEntries(numberNodes(sockets(...nodes)))).toEqual(numbers);
  expect(Object.fromEntries(numberNodes(sockets(...nodes).reverse()))).toEqual(numbers);
});

test("P-65: a proximity domain is QEMU's number, a node the guest's", () => {
  const numbers = numberNodes(sockets(1, 0));
  expect(inGuest(numbers, { guestNode: 1, hostNode: 7 })).toEqual({ guestNode: 0, hostNode: 7 });
  expect(targetInGuest(numbers, { kind: "node", node: 1 })).toEqual({ kind: "node", node: 1 });
  expect(targetInGuest(numbers, { kind: "proximity-domain", id: 1 })).toEqual({
    kind: "proximity-domain",
    id: 0,
  });
  const unknown = { kind: "proximity-domain", id: 9 } as const;
  expect(targetInGuest(numbers, unknown)).toEqual(unknown);
  expect(targetInGuest(numbers, null)).toBeNull();
});
