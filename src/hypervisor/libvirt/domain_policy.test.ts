import { describe, expect, test } from "vitest";
import { definedPolicy, weightOfShares } from "./domain_policy.ts";
import { parseLiveDefinition } from "./live_definition.ts";

/** What a definition with this metadata and these shares amounts to. */
function check(metadata: string, shares?: number) {
  const tune = shares === undefined ? "" : `<cputune><shares>${shares}</shares></cputune>`;
  const text = `<domain><name>a</name><uuid>u</uuid><vcpu>2</vcpu><metadata>${metadata}</metadata>${tune}</domain>`;
  return definedPolicy(parseLiveDefinition(text), 1_024);
}

const element = (attributes: string) => `<vbal:policy xmlns:vbal="urn:vbal:policy" ${attributes}/>`;

describe("what a definition says", () => {
  test.each([
    ["nothing", check(""), {}],
    ["somebody else's metadata", check('<x:policy xmlns:x="urn:x" weight="1"/>'), {}],
    ["shares", check("", 2048), { weight: 512 }],
    ["a weight", check(element('weight="512"')), { weight: 512 }],
    ["a weight beside shares", check(element('weight="7"'), 2048), { weight: 7 }],
    ["bounds beside shares", check(element('vcpus-min="2"'), 2048), { weight: 512, vcpus: { min: 2 } }],
    [
      "everything",
      check(
        element(
          'weight="1" reservation="1.5" cap="none" vcpus-min="1" vcpus-max="4" node="1" placement="shared" mechanism="isolate" managed="false" plug="false"',
        ),
      ),
      {
        weight: 1,
        reservation: 1500,
        cap: null,
        vcpus: { min: 1, max: 4 },
        node: 1,
        placement: "shared",
        mechanism: "isolate",
        managed: false,
        plug: false,
      },
    ],
    [
      "as virsh metadata writes it, with a prefix of its own",
      check('<p:policy xmlns:p="urn:vbal:policy" weight="3"/>'),
      { weight: 3 },
    ],
  ])("%s", (_, { fields, problems }, expected) => {
    expect(problems).toEqual([]);
    expect(JSON.parse(JSON.stringify(fields))).toEqual(expected);
  });
});

describe("an element that breaks a rule counts for nothing, and says what to do", () => {
  test.each([
    [
      "a field that there is not",
      'wieght="1"',
      /wieght: There is no field "wieght" here\. Did you mean "weight"\?/,
    ],
    [
      "no number",
      'weight="heavy"',
      /weight: A weight is a whole number from 1 to 65535, not "heavy"\. Write/,
    ],
    ["out of range", 'weight="0"', /weight: A weight is a whole number from 1 to 65535, not 0\. Write/],
    ["a bound", 'vcpus-min="0"', /vcpus-min: A vCPU count is a whole number from 1 to 4096, not 0\. Write/],
  ])("%s", (_, attributes, message) => {
    const { fields, problems } = check(element(attributes), 2048);
    expect(fields).toEqual({ weight: 512 });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(message);
    expect(problems[0]).toMatch(/^The <vbal:policy> in its metadata is not in force: /);
  });

  test("an element of another name, or with something in it", () => {
    for (const metadata of [
      '<vbal:weight xmlns:vbal="urn:vbal:policy">5</vbal:weight>',
      '<vbal:policy xmlns:vbal="urn:vbal:policy"><weight>5</weight></vbal:policy>',
    ]) {
      expect(check(metadata).problems[0]).toMatch(/must be an empty element named policy/);
    }
  });
});

test.each([
  // control groups of version 1 and 2
  [1_024, [2, 512, 1024, 2048, 10_000, 262_144], [1, 128, 256, 512, 2500, 65_535]],
  [100, [1, 50, 100, 200, 1024, 10_000], [3, 128, 256, 512, 2621, 25_600]],
])(
  "shares keep their proportions, and the default of %i is the default",
  (sharesDefault, shares, weights) => {
    expect(shares.map((each) => weightOfShares(each, sharesDefault))).toEqual(weights);
  },
);
