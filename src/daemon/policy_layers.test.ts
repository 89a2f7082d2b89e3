import { expect, test } from "vitest";
import { DEFAULT_DOMAIN_POLICY, DEFAULT_POLICY } from "../core/policy.ts";
import { overDefined } from "./policy_layers.ts";

/** Who is due what, with these defaults and these entries of the config over what the host's own definitions say. */
function check(defined: Parameters<typeof overDefined>[1]) {
  const config = {
    ...DEFAULT_POLICY,
    defaults: { ...DEFAULT_DOMAIN_POLICY, weight: 100, vcpusMax: 4 },
    domains: { named: { ...DEFAULT_DOMAIN_POLICY, weight: 7 } },
  };
  const { policy, refused } = overDefined(config, defined);
  const rows = Object.entries(policy.domains).map(
    ([name, { weight, vcpusMin, vcpusMax }]) => `${name}: ${weight} ${vcpusMin}..${vcpusMax}`,
  );
  return { rows, refused };
}

test("a definition's fields lie over the config's defaults", () => {
  expect(check([{ domain: "a", fields: { weight: 512 } }])).toEqual({
    rows: ["a: 512 1..4", "named: 7 1..null"],
    refused: [],
  });
});

test("a domain that the config names takes nothing from its definition", () => {
  expect(check([{ domain: "named", fields: { weight: 512 } }]).rows).toEqual(["named: 7 1..null"]);
});

test("a definition that contradicts the defaults is refused, with what to do; its domain has the defaults", () => {
  const { rows, refused } = check([{ domain: "a", fields: { vcpus: { min: 8 } } }]);
  expect(rows).toEqual(["named: 7 1..null"]);
  expect(refused).toEqual([
    "What the definition of a says is not in force: vcpus.min (8) may not exceed vcpus.max (4). Lower min or raise max",
  ]);
});

test("a domain may have any name", () => {
  expect(check([{ domain: "constructor", fields: { weight: 2 } }]).rows).toContain("constructor: 2 1..4");
});
