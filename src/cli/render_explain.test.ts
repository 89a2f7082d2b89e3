import { expect, test } from "vitest";
import { CliError } from "./cli_error.ts";
import { exampleState } from "./example_state_suite.ts";
import { domainOf } from "./explain.ts";
import { renderExplain } from "./render_explain.ts";
import { PLAIN } from "./style.ts";

const STATE = exampleState({
  pcpus: 4,
  domains: [
    {
      name: "web",
      weight: 512,
      capMilliPcpu: 2500,
      at: [0, 1, null],
      target: 3,
      sharesWith: ["db"],
      reasons: [{ code: "share", text: "Its weight 512 of 768 in all is a share of 2.667 pCPUs." }],
      pending: ["asking the guest for vCPUs 0-2"],
    },
    { name: "db", at: [2], managed: false },
  ],
  over: {
    problems: [
      { domain: "web", message: "Slow" },
      { domain: null, message: "Of the host" },
    ],
    notes: [{ atMs: 0, domain: "web", code: "x", text: "web arrived with 3 vCPUs" }],
  },
});

function check(name: string): string {
  const layout = { width: 80, style: PLAIN, utcOffsetMinutes: 0 };
  return `\n${renderExplain(STATE, domainOf(STATE, name), layout).join("\n")}\n`;
}

test("explains policy, due, guest, vCPUs and the reasons", () => {
  expect(check("web")).toMatchInlineSnapshot(`
    "
    web
      Policy: weight 512, cap 2.5 pCPUs, vCPUs 1 to 3
      Due: 2 pCPUs, so 3 of its 3 vCPUs should be online
      Guest: 2 online, it follows its target (vbal-agent)
      It shares pCPUs with db

    Why
      Its weight 512 of 768 in all is a share of 2.667 pCPUs.

    Under way
      asking the guest for vCPUs 0-2

    Problems
      Slow

    vCPUs
    vCPU  state    may run on  ran on  run  wait  steal
       0  online   0                0  80%    0%     0%
       1  online   1                1  80%    0%     0%
       2  offline  0-1              -   0%    0%     0%

    Notes
      00:00:00  web arrived with 3 vCPUs
    "
  `);
});

test("says of an unmanaged domain that it is left alone", () => {
  expect(check("db")).toContain("vbal leaves it alone");
});

test("an unknown domain is answered with the nearest one", () => {
  expect(() => domainOf(STATE, "wbe")).toThrow(
    new CliError("failed", 'There is no domain "wbe". Did you mean web?'),
  );
  expect(() => domainOf(STATE, "mail")).toThrow(/There are: web, db/);
});
