import { describe, expect, test } from "vitest";
import type { StateView } from "../protocol/state_view.ts";
import { textWidth } from "./columns.ts";
import { exampleState } from "./example_state_suite.ts";
import { renderDuration, renderStatus, type StatusLayout } from "./render_status.ts";
import { renderTop } from "./render_top.ts";
import { PLAIN, PLAIN_ASCII, type Style } from "./style.ts";

const LAYOUT: StatusLayout = { width: 100, style: PLAIN, utcOffsetMinutes: 60 };

/** The screen as text, framed by line ends for the snapshots. */
function check(state: StateView, layout: Partial<StatusLayout> = {}): string {
  return `\n${renderStatus(state, { ...LAYOUT, ...layout }).join("\n")}\n`;
}

const BUSY_HOST = exampleState({
  pcpus: 12,
  nodes: 2,
  domains: [
    { name: "backup", weight: 64, at: [11], runPercent: 1, sharesWith: ["legacy"] },
    {
      name: "legacy",
      at: [11],
      online: null,
      guestAgent: null,
      cooperation: "silent",
      runPercent: 30,
      waitPercent: 20,
    },
    { name: "own", at: [6, 7], managed: false, entitlementMilliPcpu: null, target: null },
    { name: "vm1", weight: 512, at: [0, 1, 2, 3, 4, 5, null, null], runPercent: 75 },
    { name: "vm2", at: [8, 9, null], target: 3, cooperation: "stuck", guestAgent: "qemu-guest-agent" },
  ],
  over: {
    problems: [{ domain: "vm2", message: "The guest has not moved towards its target for 6 s" }],
    notes: [
      { atMs: Date.UTC(2026, 0, 2, 14, 5, 1), domain: "vm1", code: "x", text: "vm1: the guest follows" },
    ],
  },
});

describe("the status", () => {
  test("shows who runs where, who follows, who waits, and what is wrong", () => {
    expect(check(BUSY_HOST)).toMatchInlineSnapshot(`
      "
      vbal  up 1h 2m  5 domains, 12 vCPUs online on 12 pCPUs  qmp  pid 4242  15:05:09

      pCPUs
      node 0  0  1  2  3  4  5
              D  D  D  D  D  D
      node 1  6  7  8  9 10 11
              C  C  E  E  · AB

      Domains
         domain  weight  entitled  vCPUs  pCPUs                   run  wait  steal  guest
      A  backup      64      1.00      1  11 shared  ▏░░░░░░░░░    1%    0%     0%  follows
      B  legacy     256      1.00      1  11         ███▒▒░░░░░   30%   20%    20%  silent
      C  own        256         -      2  6-7        ████████░░  160%    0%     0%  left alone
      D  vm1        512      6.00      6  0-5        ███████▌░░  450%    0%     0%  follows
      E  vm2        256      2.00    2→3  8-9        ████████░░  160%    0%     0%  stuck (qga)

      Problems
      vm2: The guest has not moved towards its target for 6 s

      Notes
      15:05:01  vm1: the guest follows
      "
    `);
  });

  test("leaves out on a narrow screen what matters least, and uses ASCII where there is no more", () => {
    expect(check(BUSY_HOST, { width: 50, style: PLAIN_ASCII })).toMatchInlineSnapshot(`
      "
      vbal  up 1h 2m  5 domains, 12 vCPUs online on 12 ~

      pCPUs
      node 0  0  1  2  3  4  5
              D  D  D  D  D  D
      node 1  6  7  8  9 10 11
              C  C  E  E  . AB

      Domains
         domain  vCPUs  pCPUs                  run  wait
      A  backup      1  11 shar~  ..........    1%    0%
      B  legacy      1  11        ###ww.....   30%   20%
      C  own         2  6-7       ########..  160%    0%
      D  vm1         6  0-5       ########..  450%    0%
      E  vm2       2>3  8-9       ########..  160%    0%

      Problems
      vm2: The guest has not moved towards its target
        for 6 s

      Notes
      15:05:01  vm1: the guest follows
      "
    `);
  });

  test("says that nothing is there yet, that a bad config was refused, and that it is stopping", () => {
    const { daemon } = BUSY_HOST;
    const over = { daemon: { ...daemon, mode: "releasing", configProblem: "vbal.yaml:3:1: bad" } } as const;
    expect(check(exampleState({ pcpus: 2, domains: [], over }))).toMatchInlineSnapshot(`
      "
      vbal  putting everything back  up 1h 2m  0 domains, 0 vCPUs online on 2 pCPUs  qmp  pid 4242  15:05~
      The old config stays in force: vbal.yaml:3:1: bad

      pCPUs
        0  1
        ·  ·

      Domains
      None yet: vbal waits for one to arrive
      "
    `);
  });

  const crowd = exampleState({
    pcpus: 64,
    domains: Array.from({ length: 100 }, (_, i) => ({ name: `guest-${i}`, at: [i % 64, (i * 7) % 64] })),
  });

  test("fits 100 domains on a screen and counts those that do not fit", () => {
    expect(check(crowd, { width: 70, height: 20, scroll: 30 })).toMatchInlineSnapshot(`
      "
      vbal  up 1h 2m  100 domains, 200 vCPUs online on 64 pCPUs  qmp  pid 4~

      pCPUs
         0   1   2   3   4   5   6   7   8   9  10  11  12  13  14  15  16
       AAM  3×  3×  3×  4×  4×  4×  4×  3×  3×  3×  4×  4×  4×  4×  3×  3×
        17  18  19  20  21  22  23  24  25  26  27  28  29  30  31  32  33
        3×  4×  4×  4×  4×  3×  3×  3×  4×  4×  4×  4×  3×  3×  3× gAs  4×
        34  35  36  37  38  39  40  41  42  43  44  45  46  47  48  49  50
        4×  4× kAI  lz  mq  3×  3×  3×  3× rAJ sAA  rt  3×  3×  3×  3× yAK
      and 13 pCPUs more

      Domains
         domain    vCPUs  pCPUs               run  wait  steal  guest
      e  guest-30      2  18,30  ████████░░  160%    0%     0%  follows
      f  guest-31      2  25,31  ████████░░  160%    0%     0%  follows
      g  guest-32      2  32     ████████░░  160%    0%     0%  follows
      h  guest-33      2  33,39  ████████░░  160%    0%     0%  follows
      i  guest-34      2  34,46  ████████░░  160%    0%     0%  follows
      j  guest-35      2  35,53  ████████░░  160%    0%     0%  follows
      30 above and 64 below not shown
      "
    `);
  });

  test("shows every problem where there is room, and on a small screen says how many more there are", () => {
    const problems = Array.from({ length: 9 }, (_, i) => ({ domain: `vm${i}`, message: "Trouble" }));
    const troubled = exampleState({ pcpus: 1, domains: [], over: { problems } });
    expect(check(troubled).match(/Trouble/g)).toHaveLength(9);
    expect(check(troubled, { height: 24 })).toMatch(
      /(vm\d: Trouble\n){4}and 5 lines more: see vbal status\n/,
    );
  });

  test.each([20, 30, 44, 64, 80, 120, 200])(
    "no line is wider than %d columns, whatever the style",
    (width) => {
      const marked: Style = { ...PLAIN, unicode: width % 20 === 0 };
      for (const state of [BUSY_HOST, crowd]) {
        const wide = renderStatus(state, { ...LAYOUT, width, style: marked }).filter(
          (line) => width < textWidth(line),
        );
        expect(wide).toEqual([]);
      }
    },
  );

  test.each([8, 12, 24, 60])("a frame of `top` has exactly the %d lines of its screen", (height) => {
    for (const problem of [null, "No daemon is running"]) {
      const frame = renderTop(
        { state: crowd, problem, scroll: 99, isPaused: false },
        { ...LAYOUT, width: 80, height },
      );
      expect(frame).toHaveLength(height);
      expect(frame.at(-1)).toContain(problem ?? "q quit");
    }
  });
});

test.each([
  [0, "0s"],
  [59_999, "59s"],
  [60_000, "1m 0s"],
  [3_725_000, "1h 2m"],
  [90_000_000, "1d 1h"],
])("%d ms is %s", (ms, text) => {
  expect(renderDuration(ms)).toBe(text);
});
