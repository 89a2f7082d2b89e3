import { expect, test } from "vitest";
import { guestMemory, type MemoryFacts } from "./guest_memory.ts";

const twoNodes = ["qemu", "-numa", "node,nodeid=0,memdev=m0", "-numa", "node,nodeid=1,memdev=m1", "-m", "1G"];
const bound = (id: string, policy: string, ...nodes: number[]) => ({ id, policy, "host-nodes": nodes });
/** As a kernel writes it: address, policy, and on which nodes the pages are. */
const maps = (...lines: string[]) =>
  lines.map((line, at) => `7f00${at}000 default anon=1 ${line}`).join("\n");
const none: MemoryFacts = {
  hostNodes: [0, 1],
  guestNodes: [0],
  backends: [],
  commandLine: [],
  numaMaps: null,
};

test.each<[string, Partial<MemoryFacts>, string]>([
  ["a host with one node has no choice", { hostNodes: [3], guestNodes: [0, 1] }, "0 on 3, 1 on 3"],
  [
    "bound backends",
    {
      guestNodes: [0, 1],
      commandLine: twoNodes,
      backends: [bound("m1", "bind", 0), bound("m0", "preferred", 1)],
    },
    "0 on 1, 1 on 0",
  ],
  [
    "spread or bound to nothing: open",
    {
      guestNodes: [0, 1],
      commandLine: twoNodes,
      backends: [bound("m0", "interleave", 0, 1), bound("m1", "default")],
    },
    "",
  ],
  [
    "nodes without numbers are counted",
    {
      guestNodes: [0, 1],
      commandLine: [
        "-numa",
        "node,memdev=m0",
        "-numa",
        "cpu,node-id=0,socket-id=0",
        "-numa",
        "node,memdev=m1",
      ],
      backends: [bound("m1", "bind", 1)],
    },
    "1 on 1",
  ],
  ["unbound, nearly all pages on one node", { numaMaps: maps("N0=20 N1=9000", "N1=80") }, "0 on 1"],
  ["unbound, spread over both", { numaMaps: maps("N0=4000 N1=5000") }, ""],
  [
    "unbound, a guest with nodes: pages do not say whose they are",
    { guestNodes: [0, 1], numaMaps: maps("N1=9000") },
    "",
  ],
  ["nothing could be read", {}, ""],
])("%s", (_, facts, expected) => {
  const said = guestMemory({ ...none, ...facts });
  expect(said.map(({ guestNode, hostNode }) => `${guestNode} on ${hostNode}`).join(", ")).toBe(expected);
});
