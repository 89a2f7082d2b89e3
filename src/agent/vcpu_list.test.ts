import { expect, test } from "vitest";
import { formatVcpuList, parseVcpuList, vcpuMask } from "./vcpu_list.ts";

test.each([
  ["0-3\n", [0, 1, 2, 3], "f"],
  ["0-1,5,7-8", [0, 1, 5, 7, 8], "1a3"],
  ["0", [0], "1"],
  ["40", [40], "10000000000"],
  ["", [], "0"],
  ["\n", [], "0"],
])("%j", (text, vcpus, mask) => {
  expect(parseVcpuList(text)).toEqual(vcpus);
  expect(formatVcpuList(vcpus)).toBe(text.trim());
  expect(vcpuMask(vcpus)).toBe(mask);
});

test("what is not a list reads as empty, and nothing makes it long", () => {
  expect(parseVcpuList("rubbish")).toEqual([]);
  expect(parseVcpuList(null)).toEqual([]);
  expect(parseVcpuList("0-99999")).toHaveLength(1_024);
});
