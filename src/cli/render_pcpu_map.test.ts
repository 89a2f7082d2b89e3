import { expect, test } from "vitest";
import { renderLoadBar } from "./render_bar.ts";
import { domainKey, type MapPcpu, renderPcpuMap } from "./render_pcpu_map.ts";
import { PLAIN, PLAIN_ASCII } from "./style.ts";

function pcpu(id: number, node: number, ...numbers: number[]): MapPcpu {
  const occupants = numbers.map((number) => ({ number, isRunning: true }));
  return { id, node, state: numbers.length === 0 ? "idle" : "in-use", occupants };
}

test("every state of a pCPU has its mark, and keys that would not fit are counted", () => {
  const pcpus: MapPcpu[] = [
    pcpu(0, 0, 0),
    pcpu(1, 0, 0, 1),
    pcpu(2, 0, 0, 1, 2, 3),
    pcpu(3, 1),
    { ...pcpu(4, 1), state: "not-ours" },
    { ...pcpu(5, 1), state: "offline" },
  ];
  expect(renderPcpuMap({ pcpus, width: 40, style: PLAIN })).toEqual([
    "node 0  0  1  2",
    "        A AB 4×",
    "node 1  3  4  5",
    "        ·  –  x",
  ]);
  expect(renderPcpuMap({ pcpus, width: 40, style: PLAIN_ASCII }).slice(1)).toEqual([
    "        A AB 4x",
    "node 1  3  4  5",
    "        .  -  x",
  ]);
});

test("long rows wrap, and what exceeds the lines is counted", () => {
  const pcpus = Array.from({ length: 12 }, (_, id) => pcpu(id, 0, 0));
  expect(renderPcpuMap({ pcpus, width: 13, style: PLAIN, linesMax: 4 })).toEqual([
    "  0  1  2  3",
    "  A  A  A  A",
    "  4  5  6  7",
    "  A  A  A  A",
    "and 4 pCPUs more",
  ]);
});

test("keys of domains go on after z", () => {
  expect([0, 25, 26, 51, 52, 53, 103, 104].map(domainKey)).toEqual([
    "A",
    "Z",
    "a",
    "z",
    "AA",
    "AB",
    "Az",
    "BA",
  ]);
});

test.each([
  [0, 0, "░░░░", "...."],
  [0.5, 0, "██░░", "##.."],
  [0.53, 0, "██▏░", "##.."],
  [0.5, 0.25, "██▒░", "##w."],
  [0.8, 0.9, "███▒", "###w"],
  [1, 1, "████", "####"],
  [7, 0, "████", "####"],
  [-1, 2, "▒▒▒▒", "wwww"],
])("a bar of %d running and %d waiting", (run, wait, unicode, ascii) => {
  expect(renderLoadBar({ run, wait }, 4, true)).toBe(unicode);
  expect(renderLoadBar({ run, wait }, 4, false)).toBe(ascii);
});
