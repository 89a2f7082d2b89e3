/** What `vbal set` changes: laid over the config, kept over restarts, taken back. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_DOMAIN_POLICY, DEFAULT_POLICY, type Policy, policyOf } from "../core/policy.ts";
import { type Overrides, override, readOverrides, withOverrides, writeOverrides } from "./overrides.ts";

const POLICY: Policy = {
  ...DEFAULT_POLICY,
  domains: { web: { ...DEFAULT_DOMAIN_POLICY, weight: 512, cap: 4_000 } },
};

let folder: string;
let file: string;
let faults: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vbal-overrides-test-"));
  file = join(folder, "overrides.json");
  faults = [];
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function set(before: Overrides, name: string, fields: unknown): Overrides {
  const result = override(POLICY, before, { name, fields });
  if ("errors" in result) throw new Error(result.errors.join("\n"));
  return result.overrides;
}

const NONE: Overrides = new Map();

describe("setting", () => {
  test("fields lie over the config's, the others stay", () => {
    const { policy } = withOverrides(POLICY, set(NONE, "web", { weight: 100, vcpus: { min: 2 } }));
    expect(policyOf(policy, "web")).toEqual({ ...POLICY.domains["web"], weight: 100, vcpusMin: 2 });
    expect(policyOf(policy, "other")).toEqual(DEFAULT_DOMAIN_POLICY);
  });

  test("`default` takes back a field, a nested one too; the last one takes the domain off the list", () => {
    let set1 = set(NONE, "web", { weight: 100, vcpus: { min: 2, max: 3 } });
    set1 = set(set1, "web", { weight: "default", vcpus: { min: "default" } });
    expect(Object.fromEntries(set1)).toEqual({ web: { vcpus: { max: 3 } } });
    set1 = set(set1, "web", { vcpus: { max: "default" } });
    expect(set1.size).toBe(0);
  });

  test.each([
    ["a wrong value", { weight: 0 }, /^web\.weight: A weight is a whole number from 1 to 65535, not 0\. /],
    [
      "an unknown field",
      { wieght: 5 },
      /^web\.wieght: There is no field "wieght" here\. Did you mean "weight"\?$/,
    ],
    [
      "a contradiction with the config",
      { reservation: 5 },
      /^web: The reservation \(5 pCPUs\) may not exceed the cap \(4\)\. /,
    ],
    ["no object", [1], /^The fields to set must be an object/],
    ["a field of every object", JSON.parse('{"__proto__": {"weight": 1}}') as object, /__proto__/],
  ])("%s is refused with a sentence, and changes nothing", (_, fields, words) => {
    const result = override(POLICY, NONE, { name: "web", fields });
    expect("errors" in result && result.errors.join("\n")).toMatch(words);
  });

  test.each(["", "x".repeat(257)])("no domain is named %j", (name) => {
    expect(override(POLICY, NONE, { name, fields: {} })).toEqual({
      errors: ["A domain's name has 1 to 256 characters"],
    });
  });

  test("a domain may be named like a field of every object", () => {
    const kept = set(NONE, "constructor", { weight: 9 });
    expect(policyOf(withOverrides(POLICY, kept).policy, "constructor").weight).toBe(9);
  });
});

describe("keeping", () => {
  test("what is written is read again", () => {
    const kept = set(set(NONE, "web", { cap: "2500m" }), "odd name/..", { managed: false });
    writeOverrides(file, kept);
    expect(readOverrides(file, (message) => faults.push(message))).toEqual(kept);
    expect(faults).toEqual([]);
  });

  test("no file is no override", () => {
    expect(readOverrides(file, (message) => faults.push(message)).size).toBe(0);
    expect(faults).toEqual([]);
  });

  test("one that cannot be used is named and left out, the others count", () => {
    writeFileSync(file, '{"web": {"weight": -1}, "db": {"weight": 7}}');
    const kept = readOverrides(file, (message) => faults.push(message));
    expect([...kept.keys()]).toEqual(["db"]);
    expect(faults[0]).toMatch(
      /what was set for web cannot be used and is ignored; set it again\. web\.weight: A weight is/,
    );
  });

  test.each(["{", "[]", "null", "7"])("a file that holds %s is told", (text) => {
    writeFileSync(file, text);
    expect(readOverrides(file, (message) => faults.push(message)).size).toBe(0);
    expect(faults[0]).toMatch(
      /overrides\.json cannot be used .*; what was set by hand is lost, set it again/,
    );
  });

  test("a kill between the two halves of a write leaves the old file", () => {
    writeOverrides(file, set(NONE, "web", { weight: 1 }));
    writeFileSync(`${file}.new`, "{ half");
    expect(readOverrides(file, (message) => faults.push(message)).size).toBe(1);
    writeOverrides(file, set(NONE, "web", { weight: 2 }));
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ web: { weight: 2 } });
    expect(existsSync(`${file}.new`)).toBe(false);
  });

  test("an override that contradicts a later config is left out and named", () => {
    const kept = set(NONE, "web", { reservation: 3 });
    const lower: Policy = {
      ...POLICY,
      domains: { web: { ...DEFAULT_DOMAIN_POLICY, cap: 2_000 } },
    };
    const { policy, refused } = withOverrides(lower, kept);
    expect(policy.domains["web"]).toEqual(lower.domains["web"]);
    expect(refused).toEqual([
      "What was set by hand is not in force: web: The reservation (3 pCPUs) may not exceed the cap (2). Lower the reservation or raise the cap",
    ]);
  });
});
