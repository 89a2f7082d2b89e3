/** The log of finished runs: what was appended is there again, damage is cut off, another study's log is refused. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openRunLog } from "./run_log.ts";

const folder = mkdtempSync(join(tmpdir(), "vbal-log-"));
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, rows: number): string {
  const file = join(folder, name);
  const log = openRunLog(file, "a study");
  for (let i = 0; i < rows; i++) log.append(`k${i}`, { i, text: "ü €, \n" });
  log.close();
  return file;
}

function keysIn(file: string): string[] {
  const log = openRunLog(file, "a study");
  log.close();
  return [...log.rows.keys()];
}

test("rows come back as they were, whatever their letters", () => {
  const log = openRunLog(written("plain", 2), "a study");
  expect(log.rows.get("k1")).toEqual({ i: 1, text: "ü €, \n" });
  log.close();
});

test.each([1, 3, 20, 60])("cut %d bytes short: whole lines stay, the file goes on from there", (bytes) => {
  const file = written(`cut${bytes}`, 3);
  const text = readFileSync(file, "latin1");
  writeFileSync(file, text.slice(0, -bytes), "latin1");
  expect(keysIn(file)).toEqual(bytes < text.trimEnd().split("\n").at(-1)!.length + 1 ? ["k0", "k1"] : ["k0"]);
  const log = openRunLog(file, "a study");
  log.append("new", {});
  log.close();
  expect(keysIn(file).at(-1)).toBe("new");
});

test("a changed byte ends what is believed", () => {
  const file = written("changed", 3);
  const text = readFileSync(file, "latin1");
  writeFileSync(file, text.replace('"k1"', '"k9"'), "latin1");
  expect(keysIn(file)).toEqual(["k0"]);
});

test("the log of another study or build is refused, with a way out", () => {
  const file = written("other", 1);
  expect(() => openRunLog(file, "another")).toThrow("Name another folder, or remove this one");
});
