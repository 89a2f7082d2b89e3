/** docs/requirements.md is held to the files that it names, and to the patent's ids. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const page = readFileSync(join(ROOT, "docs/requirements.md"), "utf8");
const rows = page.split("\n").filter((line) => line.startsWith("| P-"));

test("every requirement of the patent, P-1 to P-68, stands there once", () => {
  const ids = rows.flatMap((row) => {
    const head = row.split("|")[1]!;
    const [first = 0, last = first] = [...head.matchAll(/P-(\d+)/g)].map((match) => Number(match[1]));
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  expect(ids).toEqual(Array.from({ length: 68 }, (_, i) => 1 + i));
});

test("what shows it is there, and a test", () => {
  const named = rows.flatMap((row) =>
    [...row.matchAll(/`([a-z0-9_]+\/[a-z0-9_/.]+)`/g)].map((match) => match[1]!),
  );
  expect(named.filter((path) => !existsSync(join(ROOT, "src", path)))).toEqual([]);
  const shownBy = rows.map((row) => row.split("|")[4]!.trim()).filter((cell) => cell !== "");
  expect(
    shownBy
      .flatMap((cell) => cell.match(/`[^`]+`/g) ?? [])
      .filter((path) => !/(\.test|_suite)\.ts`$/.test(path)),
  ).toEqual([]);
});
