import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DEFAULT_DOMAIN_POLICY, policyOf } from "../core/policy.ts";
import { type Config, DEFAULT_CONFIG, parseConfig } from "./config.ts";
import { renderFault } from "./fault.ts";

/** What may have a threshold. */
const MEASURES = ["vm.runnable-threads", "vm.composite", "vm.composite:vm.switches"];

/** The config of a text that must be valid. */
function check(text: string): Config {
  const result = parseConfig({ file: "/etc/vbal/vbal.yaml", text, measures: MEASURES });
  if ("errors" in result) throw new Error(result.errors.map(renderFault).join("\n"));
  return result.config;
}

/** Every message about a text, without the file's name. */
function complaints(text: string): string[] {
  const result = parseConfig({ file: "c.yaml", text, measures: MEASURES });
  return "errors" in result ? result.errors.map((fault) => renderFault(fault).replace("c.yaml:", "")) : [];
}

describe("a config that is right", () => {
  test("may be empty: every field has a default", () => {
    expect(check("")).toEqual(DEFAULT_CONFIG);
    expect(check("# nothing yet\ndomains:\n  # web: { weight: 512 }\n")).toEqual(DEFAULT_CONFIG);
  });

  test("takes friendly units into those of the core", () => {
    const { policy, interval, agent, journal } = check(`
pool: 0-3,8
emulator: [9]
patience: { stuckAfter: 500ms, uncooperativeAfter: 1.5min, retryAfter: 2s }
interval: 250ms
agent: { reportEvery: 250ms, patience: 2min }
journal: { maxBytes: 8MiB }
domains:
  web: { weight: 512, reservation: 1.5, cap: 2500m, vcpus: { min: 2, max: 4 }, node: 1, placement: shared }
  db: { cap: 1.1, mechanism: isolate, managed: false }
`);
    expect(policy.pool).toEqual([0, 1, 2, 3, 8]);
    expect(policy.emulatorPcpus).toEqual([9]);
    expect(policy.patience).toEqual({ stuckAfter: 500, uncooperativeAfter: 90_000, retryAfter: 2000 });
    expect(interval).toBe(250);
    expect(agent).toEqual({ reportEvery: 250, patience: 120_000 });
    expect(journal.maxBytes).toBe(8 * 1024 * 1024);
    expect(policy.domains["web"]).toEqual({
      managed: true,
      weight: 512,
      reservation: 1500,
      cap: 2500,
      vcpusMin: 2,
      vcpusMax: 4,
      node: 1,
      placement: "shared",
      mechanism: "offline",
      plug: true,
    });
    expect(policy.domains["db"]).toMatchObject({ cap: 1100, mechanism: "isolate", managed: false });
  });

  test("P-57..P-61: says how guests are answered and watched, for all and for one", () => {
    const { policy, monitor } = check(`
admission: { mode: strict, loansMax: 2 }
monitor: { measuresEvery: 5s, thresholds: { vm.runnable-threads: 2.5, vm.composite: none } }
defaults: { plug: false }
domains:
  web: { plug: true, monitor: { on: false, thresholds: { "vm.composite:vm.switches": 40 } } }
  db: { monitor: { measuresEvery: none } }
`);
    expect(policy.admission).toEqual({ mode: "strict", loansMax: 2 });
    expect([policy.domains["web"]?.plug, policy.domains["db"]?.plug]).toEqual([true, false]);
    expect(monitor.all).toEqual({
      on: true,
      measuresEvery: 5_000,
      thresholds: { "vm.runnable-threads": 2.5, "vm.composite": null },
    });
    expect({ ...monitor.domains }).toEqual({
      web: { on: false, thresholds: { "vm.composite:vm.switches": 40 } },
      db: { measuresEvery: null },
    });
    expect(check("admission: { loansMax: none }").policy.admission.loansMax).toBe(null);
  });

  test("gives a domain what `defaults` says, and lets it take that back with none", () => {
    const { policy } = check("defaults: { weight: 100, cap: 2 }\ndomains: { a: { cap: none }, b: }");
    expect(policy.defaults).toEqual({ ...DEFAULT_DOMAIN_POLICY, weight: 100, cap: 2000 });
    expect(policy.domains["a"]).toMatchObject({ weight: 100, cap: null });
    expect(policy.domains["b"]).toEqual(policy.defaults);
  });

  test("may name a domain like a property of every object, and still hold no other", () => {
    const { policy } = check("domains: { constructor: { weight: 3 } }");
    expect(policyOf(policy, "constructor").weight).toBe(3);
    expect(policyOf(policy, "toString")).toBe(policy.defaults);
  });

  test("takes names as hypervisors allow them, with spaces and in any script", () => {
    expect(
      Object.keys(check('domains: { "my web server": {}, größe: , 日本: , 7: }').policy.domains),
    ).toEqual(["7", "my web server", "größe", "日本"]);
  });

  test("takes relative paths from the file's own folder", () => {
    expect(check("hypervisor: { kind: libvirt }").hypervisor).toEqual({
      kind: "libvirt",
      uri: "qemu:///system",
    });
    expect(check("hypervisor: { kind: simulated, from: host.yaml }").hypervisor).toEqual({
      kind: "simulated",
      from: "/etc/vbal/host.yaml",
    });
    const { hypervisor, control } = check(
      "control: { socket: ./c.sock }\nhypervisor: { kind: qmp, domains: [{ name: web, qmp: /run/web.qmp, agent: web.agent }] }",
    );
    expect(control.socket).toBe("/etc/vbal/./c.sock");
    const tls = "{ cert: c.pem, key: k.pem }";
    const tcp = `{ address: 0.0.0.0, port: 8470, tls: ${tls}, tokens: { read: r, write: /w } }`;
    expect(check(`control: { tcp: ${tcp} }\nhistory: { path: h.db, maxBytes: 1MiB }`)).toMatchObject({
      control: {
        socket: "/run/vbal/control.sock",
        tcp: {
          address: "0.0.0.0",
          port: 8470,
          tls: { cert: "/etc/vbal/c.pem", key: "/etc/vbal/k.pem" },
          tokens: { read: "/etc/vbal/r", write: "/w" },
        },
      },
      history: { path: "/etc/vbal/h.db", maxBytes: 1024 * 1024 },
    });
    expect(hypervisor).toEqual({
      kind: "qmp",
      directory: null,
      domains: [{ name: "web", qmp: "/run/web.qmp", agent: "/etc/vbal/web.agent", qga: null }],
      spinLooks: null,
    });
  });

  test.each([
    ["", null],
    [", spinLooks: none", null],
    [", spinLooks: 1s", 1_000],
    [", spinLooks: 100ms", 100],
  ])("looks at where vCPUs are only where somebody says how often: { kind: qmp%s }", (more, spinLooks) => {
    expect(check(`hypervisor: { kind: qmp${more} }`).hypervisor).toMatchObject({ spinLooks });
  });

  test("is what the commented example is, with every field in it", () => {
    const text = readFileSync(new URL("../../examples/vbal.yaml", import.meta.url), "utf8");
    const { policy } = check(text);
    expect(Object.keys(policy.domains).length).toBeGreaterThan(1);
    for (const key of [
      "pool",
      "rounding",
      "emulator",
      "patience",
      "interval",
      "hypervisor",
      "agent",
      "admission",
      "monitor",
      "journal",
      "control",
      "history",
    ]) {
      expect(text).toMatch(new RegExp(`^#? ?${key}:`, "m"));
    }
  });
});

describe("a config that is broken says where, which rule, and what to do", () => {
  test.each<[why: string, text: string, messages: string[]]>([
    [
      "a tab",
      "domains:\n\tweb: {}\n",
      ["2:1: Not valid YAML: Tabs are not allowed as indentation. Indent with spaces"],
    ],
    [
      "an open bracket",
      "pool: [0, 1\n",
      [
        "2:1: A bracket stays open, or the indentation does not fit. Close every bracket, and indent the fields of one map alike",
      ],
    ],
    [
      "a key twice",
      "interval: 1s\nrounding: floor\ninterval: 2s\n",
      ["3:1: A key stands only once in a map. Remove one of the two"],
    ],
    [
      "a domain twice",
      "domains:\n  web: { weight: 1 }\n  web: { weight: 2 }\n",
      ["3:3: A key stands only once in a map. Remove one of the two"],
    ],
    [
      "not a map",
      "- web\n- db\n",
      ['1:1: A map of fields must stand here, not ["web","db"]. Write `name: value` lines, indented below'],
    ],
    [
      "an unknown field, mistyped",
      "domians:\n  web: {}\n",
      ['1:1: domians: There is no field "domians" here. Did you mean "domains"?'],
    ],
    [
      "an unknown field deeper down",
      "domains:\n  web:\n    wieght: 5\n    vcpus: { mim: 1 }\n",
      [
        '3:5: domains.web.wieght: There is no field "wieght" here. Did you mean "weight"?',
        '4:14: domains.web.vcpus.mim: There is no field "mim" here. Did you mean "min"?',
      ],
    ],
    [
      "an unknown field like no other",
      "journal: { volume: 11 }\n",
      ['1:12: journal.volume: There is no field "volume" here. Use one of: path, maxBytes'],
    ],
    [
      "weight 0",
      "domains:\n  web:\n    weight: 0\n",
      [
        "3:13: domains.web.weight: A weight is a whole number from 1 to 65535, not 0. Write a larger number for a larger share; 256 is the usual one",
      ],
    ],
    [
      "a weight in words",
      "domains:\n  web: { weight: heavy }\n",
      [
        '2:18: domains.web.weight: A weight is a whole number from 1 to 65535, not "heavy". Write a larger number for a larger share; 256 is the usual one',
      ],
    ],
    [
      "a negative reservation",
      "domains: { web: { reservation: -1 } }\n",
      [
        "1:32: domains.web.reservation: A reservation is pCPU time in whole thousandths, 0 or more, not -1. Write pCPUs as in 1.5, or thousandths as in 1500m",
      ],
    ],
    [
      "a cap of nothing",
      "defaults: { cap: 0 }\n",
      [
        "1:18: defaults.cap: A cap is pCPU time in whole thousandths, above 0, not 0. Write pCPUs as in 1.5, or thousandths as in 1500m, or none",
      ],
    ],
    [
      "finer than a thousandth",
      "defaults: { cap: 0.0005 }\n",
      [
        "1:18: defaults.cap: A cap is pCPU time in whole thousandths, above 0, not 0.0005. Write pCPUs as in 1.5, or thousandths as in 1500m, or none",
      ],
    ],
    [
      "min above max",
      "domains:\n  web:\n    vcpus: { min: 4, max: 2 }\n",
      ["3:19: domains.web.vcpus.min: vcpus.min (4) may not exceed vcpus.max (2). Lower min or raise max"],
    ],
    [
      "reservation above cap",
      "domains:\n  web:\n    cap: 1\n    reservation: 1.5\n",
      [
        "4:18: domains.web.reservation: The reservation (1.5 pCPUs) may not exceed the cap (1). Lower the reservation or raise the cap",
      ],
    ],
    [
      "reservation above a default's cap",
      "defaults: { cap: 1 }\ndomains:\n  web: { reservation: 2 }\n",
      [
        "3:23: domains.web.reservation: The reservation (2 pCPUs) may not exceed the cap (1). Lower the reservation or raise the cap",
      ],
    ],
    [
      "reservation above what its vCPUs can use",
      "defaults: { reservation: 3, vcpus: { max: 2 } }\n",
      [
        "1:26: defaults.reservation: 2 vCPUs cannot use a reservation of 3 pCPUs. Lower the reservation or raise vcpus.max",
      ],
    ],
    [
      "a pCPU twice",
      "pool: [0, 1, 1]\n",
      [
        '1:7: pool: pCPUs are numbers from 0 to 8191, each named once, not [0,1,1]. Write a list as in [0, 1, 2, 9], or ranges as in "0-2,9", or none',
      ],
    ],
    [
      "a range backwards",
      "pool: 7-0\n",
      [
        '1:7: pool: pCPUs are numbers from 0 to 8191, each named once, not "7-0". Write a list as in [0, 1, 2, 9], or ranges as in "0-2,9", or none',
      ],
    ],
    [
      "a negative pCPU",
      "emulator: [-1]\n",
      [
        '1:11: emulator: pCPUs are numbers from 0 to 8191, each named once, not [-1]. Write a list as in [0, 1, 2, 9], or ranges as in "0-2,9", or none',
      ],
    ],
    [
      "nothing left to divide",
      "pool: 0-1\nemulator: 0-3\n",
      [
        "2:11: emulator: The pCPUs set apart for emulators leave none of the pool to divide. Name other pCPUs here, or fewer",
      ],
    ],
    [
      "a duration without a unit",
      "interval: 5\n",
      [
        "1:11: interval: A duration is above zero, at most 24h, and carries its unit, not 5. Write it as in 500ms, 5s or 2min",
      ],
    ],
    [
      "a negative duration",
      "patience: { stuckAfter: -5s }\n",
      [
        '1:25: patience.stuckAfter: A duration is above zero, at most 24h, and carries its unit, not "-5s". Write it as in 500ms, 5s or 2min',
      ],
    ],
    [
      "patience the wrong way round",
      "patience:\n  stuckAfter: 30s\n",
      [
        "2:15: patience.stuckAfter: stuckAfter (30000 ms) may not exceed uncooperativeAfter (20000 ms). Raise uncooperativeAfter or lower stuckAfter",
      ],
    ],
    [
      "an agent that would report too often",
      "agent: { reportEvery: 10ms }\n",
      [
        '1:23: agent.reportEvery: An agent reports every 100 ms or more rarely, not "10ms". Write a longer time, as in 1s',
      ],
    ],
    [
      "an agent that would take a slow host for a lost one",
      "agent: { patience: 500ms }\n",
      [
        '1:20: agent.patience: An agent waits for a lost host for 1000 ms or longer, not "500ms". Write a longer time, as in 60s',
      ],
    ],
    [
      "a list where a map belongs",
      "domains: [web, db]\n",
      [
        '1:10: domains: A map of fields must stand here, not ["web","db"]. Write `name: value` lines, indented below',
      ],
    ],
    [
      "a map where a list belongs",
      "hypervisor: { kind: qmp, domains: { web: {} } }\n",
      [
        '1:35: hypervisor.domains: A list must stand here, not {"web":{}}. Write entries that begin with `- `, or [a, b]',
      ],
    ],
    [
      "an unknown kind",
      "hypervisor: { kind: xen }\n",
      [
        '1:21: hypervisor.kind: One of a few words must stand here, not "xen". Write qmp, libvirt or simulated',
      ],
    ],
    [
      "no kind",
      "hypervisor:\n  directory: /run/qmp\n",
      ["2:3: hypervisor.kind: One of a few words must stand here. Write qmp, libvirt or simulated"],
    ],
    [
      "simulated without a file",
      "hypervisor: { kind: simulated }\n",
      [
        "1:13: hypervisor: A simulated hypervisor needs a host description. Add `from: FILE`, for example examples/paper-12pcpu.yaml",
      ],
    ],
    [
      "a field of the other kind",
      "hypervisor: { kind: qmp, from: host.yaml }\n",
      ['1:26: hypervisor.from: A hypervisor of kind qmp has no field "from". Remove it, or change kind'],
    ],
    [
      "no URI",
      "hypervisor: { kind: libvirt, uri: system }\n",
      [
        '1:35: hypervisor.uri: A libvirt URI must stand here, not "system". Write one as for virsh -c, such as qemu:///system',
      ],
    ],
    [
      "a URI for QEMU's own sockets",
      "hypervisor: { kind: qmp, uri: 'qemu:///system' }\n",
      ['1:26: hypervisor.uri: A hypervisor of kind qmp has no field "uri". Remove it, or change kind'],
    ],
    [
      "looks for another kind",
      "hypervisor: { kind: libvirt, spinLooks: 1s }\n",
      [
        '1:30: hypervisor.spinLooks: A hypervisor of kind libvirt has no field "spinLooks". Remove it, or change kind',
      ],
    ],
    [
      "looks too close together",
      "hypervisor: { kind: qmp, spinLooks: 99ms }\n",
      [
        '1:37: hypervisor.spinLooks: Looks are from 100 ms to 24h apart, a duration with its unit, not "99ms". Write it as in 1s, or none',
      ],
    ],
    [
      "a domain's socket missing",
      "hypervisor:\n  kind: qmp\n  domains:\n    - name: web\n",
      [
        "4:7: hypervisor.domains[0].qmp: A socket's path has 1 to 107 bytes. Write a path; a relative one starts at this file's folder",
      ],
    ],
    [
      "a socket's name twice",
      "hypervisor: { kind: qmp, domains: [{ name: a, qmp: /a }, { name: a, qmp: /b }] }\n",
      [
        '1:66: hypervisor.domains[1].name: A domain stands only once in this list; "a" stands twice. Remove one entry or correct its name',
      ],
    ],
    [
      "a socket's path too long",
      `control: { socket: /${"x".repeat(107)} }\n`,
      [
        `1:20: control.socket: A socket's path has 1 to 107 bytes, not "/${"x".repeat(38)}…. Write a path; a relative one starts at this file's folder`,
      ],
    ],
    [
      "a name with a slash",
      "domains: { a/b: {} }\n",
      [
        '1:12: domains.a/b: A domain\'s name has 1 to 128 characters, no / in it and no space at its ends, not "a/b". Write the name that the hypervisor shows',
      ],
    ],
    [
      "a journal too small",
      "journal: { maxBytes: 10 }\n",
      ["1:22: journal.maxBytes: A journal may have at least 64KiB, not 10. Write a size as in 64MiB"],
    ],
    [
      "two documents",
      "interval: 1s\n---\ninterval: 2s\n",
      ["2:1: A file holds one YAML document. Remove the line `---` and what follows"],
    ],
    [
      "thresholds that cannot be",
      "monitor:\n  measuresEvery: 10ms\n  thresholds:\n    vm.runable-threads: 2\n    vm.composite: -1\n    vm.composite:vm.switches: lots\n",
      [
        '2:18: monitor.measuresEvery: Measures are sent every 500ms or more rarely, at least once in 24h, not "10ms". Write a duration as in 3s, or none',
        '4:5: monitor.thresholds.vm.runable-threads: There is no field "vm.runable-threads" here. Did you mean "vm.runnable-threads"?',
        "5:19: monitor.thresholds.vm.composite: A threshold is a number, 0 or more, not -1. Write one in the measure's unit, as in 1.5, or none",
        "6:31: monitor.thresholds.vm.composite:vm.switches: A threshold is a number, 0 or more, " +
          'not "lots". Write one in the measure\'s unit, as in 1.5, or none',
      ],
    ],
    [
      "a monitor of one domain, mistyped",
      "domains:\n  web: { monitor: { onn: true, thresholds: { vm.compost: 1 } }, plug: 1 }\n",
      [
        '2:21: domains.web.monitor.onn: There is no field "onn" here. Did you mean "on"?',
        '2:46: domains.web.monitor.thresholds.vm.compost: There is no field "vm.compost" here. Did you mean "vm.composite"?',
        "2:71: domains.web.plug: true or false must stand here, not 1. Write true or false",
      ],
    ],
    [
      "doors that would be open to anybody",
      "control: { tcp: { address: 10.0.0.1, port: 8470, tokens: {} } }\n",
      [
        "1:28: control.tcp.address: Without tls the API listens on a loopback address only, since tokens would be read on the way. Add `tls: { cert: FILE, key: FILE }`, or use 127.0.0.1",
        "1:58: control.tcp.tokens: Over TCP nobody gets in without a token. Add `write: FILE`, or `read: FILE` for those who may only look",
      ],
    ],
    [
      "doors that are none",
      "control: { tcp: { address: web, port: 0, token: x, tokens: { reed: x } } }\nhistory: { maxBytes: 1KiB }\n",
      [
        '1:28: control.tcp.address: An IP address to listen on must stand here, not "web". Write one as in 127.0.0.1, ::1 or 0.0.0.0',
        "1:39: control.tcp.port: A port is a whole number from 1 to 65535, not 0. Write one that is free, as in 8470",
        '1:42: control.tcp.token: There is no field "token" here. Did you mean "tokens"?',
        '1:62: control.tcp.tokens.reed: There is no field "reed" here. Did you mean "read"?',
        '2:22: history.maxBytes: A history may have at least 1MiB, not "1KiB". Write a size as in 256MiB',
      ],
    ],
    [
      "admission as it is not",
      "admission: { mode: greedy, loansMax: -1, quota: 3 }\n",
      [
        '1:20: admission.mode: One of a few words must stand here, not "greedy". Write demand or strict',
        "1:38: admission.loansMax: A number of loans is a whole number from 0 to 4096, not -1. " +
          "Write how many vCPUs beyond its entitlement a domain may have, or none",
        '1:42: admission.quota: There is no field "quota" here. Use one of: mode, loansMax',
      ],
    ],
    [
      "many faults, in the order of the file",
      "rounding: up\npool: all\ninterval: soon\nx: 1\n",
      [
        '1:11: rounding: One of a few words must stand here, not "up". Write floor, ceil or largest-remainder',
        '2:7: pool: pCPUs are numbers from 0 to 8191, each named once, not "all". Write a list as in [0, 1, 2, 9], or ranges as in "0-2,9", or none',
        '3:11: interval: A duration is above zero, at most 24h, and carries its unit, not "soon". Write it as in 500ms, 5s or 2min',
        '4:1: x: There is no field "x" here. Use one of: mode, pool, rounding, emulator, patience, ' +
          "interval, hypervisor, agent, admission, monitor, journal, control, history, defaults, domains",
      ],
    ],
  ])("%s", (_why, text, messages) => {
    expect(complaints(text)).toEqual(messages);
  });

  test("an alias bomb and endless nesting end in a message, not in a crash", () => {
    const bomb = `a: &a [x, x]\n${"bcdefghijk"
      .split("")
      .map((name, index) => `${name}: &${name} [${`*${"abcdefghijk"[index]},`.repeat(9)}]`)
      .join("\n")}`;
    expect(complaints(bomb)[0]).toMatch(/^1:1: Not readable as YAML/);
    expect(complaints("[".repeat(100_000)).length).toBeGreaterThan(0);
  });
});
