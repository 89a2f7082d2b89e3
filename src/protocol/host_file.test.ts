import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { renderFault } from "./fault.ts";
import { type HostFile, parseHostFile } from "./host_file.ts";

/** The host of a text that must be valid. */
function check(text: string): HostFile {
  const result = parseHostFile({ file: "h.yaml", text });
  if ("errors" in result) throw new Error(result.errors.map(renderFault).join("\n"));
  return result;
}

function complaints(text: string): string[] {
  const result = parseHostFile({ file: "h.yaml", text });
  return "errors" in result ? result.errors.map((fault) => renderFault(fault).replace("h.yaml:", "")) : [];
}

describe("a host description", () => {
  test("of a count is as many cores under one cache on one node", () => {
    const { snapshot } = check("host: { pcpus: 2 }\ndomains: []");
    expect(snapshot.pcpus).toEqual([
      { id: 0, core: 0, llc: 0, node: 0, online: true },
      { id: 1, core: 1, llc: 0, node: 0, online: true },
    ]);
  });

  test("gives every field of the policy, fractions of pCPUs as thousandths", () => {
    const { policy } = check(`
host: { topology: [{ id: 5, core: 2, llc: 1, node: 1 }, { id: 4, core: 2, llc: 1, node: 1 }] }
pool: [4, 5]
rounding: ceil
domains: [{ name: vm, weight: 512, vcpus: 4, min: 2, max: 3, reservation: 0.5, cap: 1.25, node: 1 }]
`);
    expect(policy).toMatchObject({ pool: [4, 5], rounding: "ceil" });
    expect(policy.domains["vm"]).toMatchObject({
      weight: 512,
      reservation: 500,
      cap: 1250,
      vcpusMin: 2,
      vcpusMax: 3,
      node: 1,
    });
  });

  test("says the present state: all online and anywhere unless written otherwise, domains by name", () => {
    const { snapshot } = check(`
host: { pcpus: 3 }
domains:
  - { name: c, weight: 1, vcpus: 2, agent: none }
  - { name: b, weight: 1, vcpus: 3, online: [0, 2], pins: ["0-1", [2], 1] }
  - { name: a, weight: 1, vcpus: 2, online: 1 }
`);
    const brief = snapshot.domains.map(({ id, vcpus, guest }) => ({
      id,
      pins: vcpus.map(({ pins }) => pins),
      online: guest?.vcpus.filter(({ online }) => online).map(({ index }) => index) ?? "silent",
    }));
    expect(brief).toEqual([
      {
        id: "a",
        pins: [
          [0, 1, 2],
          [0, 1, 2],
        ],
        online: [0],
      },
      { id: "b", pins: [[0, 1], [2], [1]], online: [0, 2] },
      {
        id: "c",
        pins: [
          [0, 1, 2],
          [0, 1, 2],
        ],
        online: "silent",
      },
    ]);
  });

  test("may be JSON", () => {
    const { snapshot } = check('{"host":{"pcpus":1},"domains":[{"name":"vm","weight":1,"vcpus":1}]}');
    expect(snapshot.domains).toHaveLength(1);
  });

  test("vCPU 0 is the one that no guest can take offline", () => {
    const { snapshot } = check("host: { pcpus: 1 }\ndomains: [{ name: vm, weight: 1, vcpus: 2 }]");
    expect(snapshot.domains[0]!.guest!.vcpus.map(({ canOffline }) => canOffline)).toEqual([false, true]);
  });

  const examples = new URL("../../examples/", import.meta.url);
  test.each(readdirSync(examples).filter((file) => file !== "vbal.yaml"))("examples/%s is valid", (file) => {
    expect(check(readFileSync(new URL(file, examples), "utf8")).snapshot.domains.length).toBeGreaterThan(0);
  });
});

describe("a broken host description says where, which rule, and what to do", () => {
  test.each<[why: string, text: string, messages: string[]]>([
    [
      "nothing in it",
      "",
      ["1:1: A map of fields must stand here, not null. Write `name: value` lines, indented below"],
    ],
    [
      "no host",
      "domains: []\n",
      ["1:1: host: A map of fields must stand here. Write `name: value` lines, indented below"],
    ],
    [
      "no domains",
      "host: { pcpus: 4 }\n",
      ["1:1: domains: A list must stand here. Write entries that begin with `- `, or [a, b]"],
    ],
    [
      "neither count nor topology",
      "host: {}\ndomains: []\n",
      [
        "1:7: host: A host has either `pcpus` or `topology`. Write `pcpus: 12`, or list each pCPU's id, core, llc and node",
      ],
    ],
    [
      "no pCPU",
      "host: { pcpus: 0 }\ndomains: []\n",
      ["1:16: host.pcpus: A host has 1 to 8192 pCPUs, not 0. Write how many, as in 12"],
    ],
    [
      "a pCPU twice",
      "host: { topology: [{ id: 0, core: 0 }, { id: 0, core: 1 }] }\ndomains: []\n",
      ["1:40: host.topology[1]: pCPU 0 stands only once in the topology. Correct one of the two"],
    ],
    [
      "a core on two caches",
      "host: { topology: [{ id: 0, core: 0, llc: 0 }, { id: 1, core: 0, llc: 1 }] }\ndomains: []\n",
      ["1:48: host.topology[1]: Core 0 is under one last-level cache, not two. Correct one of the two"],
    ],
    [
      "no weight",
      "host: { pcpus: 1 }\ndomains:\n  - { name: vm, vcpus: 1 }\n",
      [
        "3:5: domains[0].weight: A weight is a whole number from 1 to 65535. Write a larger number for a larger share; 256 is the usual one",
      ],
    ],
    [
      "no vCPU",
      "host: { pcpus: 1 }\ndomains: [{ name: vm, weight: 1, vcpus: 0 }]\n",
      [
        "2:41: domains[0].vcpus: A vCPU count is a whole number from 1 to 4096, not 0. Write a number such as 2",
      ],
    ],
    [
      "a name twice",
      "host: { pcpus: 1 }\ndomains:\n  - { name: vm, weight: 1, vcpus: 1 }\n  - { name: vm, weight: 2, vcpus: 1 }\n",
      ['4:13: domains[1].name: There are two domains "vm". Rename one of them'],
    ],
    [
      "min above vcpus",
      "host: { pcpus: 1 }\ndomains: [{ name: vm, weight: 1, vcpus: 2, min: 3 }]\n",
      ["2:49: domains[0].min: min (3) may not exceed vcpus (2). Lower min or raise vcpus"],
    ],
    [
      "min above max",
      "host: { pcpus: 1 }\ndomains: [{ name: vm, weight: 1, vcpus: 4, min: 3, max: 2 }]\n",
      ["2:49: domains[0].min: min (3) may not exceed max (2). Lower min or raise max"],
    ],
    [
      "reservation above cap",
      "host: { pcpus: 4 }\ndomains: [{ name: vm, weight: 1, vcpus: 4, reservation: 2, cap: 1 }]\n",
      [
        "2:57: domains[0].reservation: The reservation (2 pCPUs) may not exceed the cap (1). Lower the reservation or raise the cap",
      ],
    ],
    [
      "an unknown node",
      "host: { pcpus: 1 }\ndomains: [{ name: vm, weight: 1, vcpus: 2, node: 7 }]\n",
      ["2:50: domains[0].node: The host has no node 7. Name one of: 0"],
    ],
    [
      "more online than there are",
      "host: { pcpus: 1 }\ndomains: [{ name: vm, weight: 1, vcpus: 2, online: 3 }]\n",
      ["2:52: domains[0].online: Only vCPUs 0 to 1 can be online. Lower online or raise vcpus"],
    ],
    [
      "vCPU 0 offline",
      "host: { pcpus: 1 }\ndomains: [{ name: vm, weight: 1, vcpus: 2, online: [1] }]\n",
      [
        "2:52: domains[0].online: `online` is a count of vCPUs or a list of their indexes, with vCPU 0 in it, not [1]. Write 2, or [0, 1]",
      ],
    ],
    [
      "pins for too few",
      "host: { pcpus: 1 }\ndomains: [{ name: vm, weight: 1, vcpus: 2, pins: [[0]] }]\n",
      ["2:50: domains[0].pins: pins has one list for each of 2 vCPUs, not 1. Add or remove lists"],
    ],
    [
      "a pin nowhere",
      "host: { pcpus: 1 }\ndomains: [{ name: vm, weight: 1, vcpus: 1, pins: [[4]] }]\n",
      ["2:51: domains[0].pins[0]: The host has no pCPU 4. Name pCPUs of the host"],
    ],
    [
      "a mistyped field",
      "host: { pcpu: 1 }\ndomains: [{ name: vm, pin: 1, weight: 1, vcpus: 1 }]\n",
      [
        '1:9: host.pcpu: There is no field "pcpu" here. Did you mean "pcpus"?',
        '2:23: domains[0].pin: There is no field "pin" here. Did you mean "pins"?',
      ],
    ],
    [
      "more vCPUs than anybody has",
      `host: { pcpus: 1 }\ndomains:\n${Array.from({ length: 25 }, (_, i) => `  - { name: d${i}, weight: 1, vcpus: 4096 }\n`).join("")}`,
      ["3:3: domains: A description holds at most 100000 vCPUs, not 102400. Describe a smaller host"],
    ],
  ])("%s", (_why, text, messages) => {
    expect(complaints(text)).toEqual(messages);
  });
});
