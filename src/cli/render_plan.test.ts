import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { PlanView, ReasonView } from "../protocol/plan_view.ts";
import { planFrom } from "./plan.ts";
import { renderPlan } from "./render_plan.ts";
import { PLAIN } from "./style.ts";

/** What a person sees of an example's plan, with a reason's code in place of its sentence, which the core words. */
async function check(example: string, width = 100): Promise<string> {
  const plan = await planFrom(fileURLToPath(new URL(`../../examples/${example}.yaml`, import.meta.url)));
  return `\n${renderPlan(tersely(plan), { width, style: PLAIN }).join("\n")}\n`;
}

const tersely = (plan: PlanView): PlanView => ({
  ...plan,
  domains: plan.domains.map((domain) => ({ ...domain, reasons: domain.reasons.map(terse) })),
  moves: plan.moves.map((move) => ({ ...move, why: terse(move.why) })),
});
const terse = (reason: ReasonView): ReasonView => ({ ...reason, text: `<${reason.code}>` });

test("the paper's example: 8 and 4 vCPUs, pCPUs 0-7 and 8-11 (B-6, B-7)", async () => {
  expect(await check("paper-12pcpu")).toMatchInlineSnapshot(`
    "
    Domains
       domain  weight  entitled  online now  target  pCPUs  shares with
    A  vm1        512     8.000          12       8  0-7
    B  vm2        256     4.000          12       4  8-11

    pCPUs
      0  1  2  3  4  5  6  7  8  9 10 11
      A  A  A  A  A  A  A  A  B  B  B  B

    Why
    vm1
      <share>
    vm2
      <share>

    Moves: 24 of 24 vCPUs
    domain  vCPUs  from pCPU  to pCPU         because
    vm1     0-7    0-11       0-7, one each   <first-placement>
    vm1     8-11   0-11       0-7             <confined-while-offline>
    vm2     0-3    0-11       8-11, one each  <first-placement>
    vm2     4-11   0-11       8-11            <confined-while-offline>
    "
  `);
});

test("domains that share a pCPU are named as sharing (B-21), and narrow screens cut the last column", async () => {
  expect(await check("crowded", 72)).toMatchInlineSnapshot(`
    "
    Domains
       domain  weight  entitled  online now  target  pCPUs  shares with
    A  build      512     1.454           4       1  0
    B  cache      128     0.364           2       1  3      mail
    C  mail       128     0.364           2       1  3      cache
    D  proxy      128     0.364           2       1  2      web-1
    E  web-1      256     0.727           4       1  2      proxy
    F  web-2      256     0.727           4       1  1

    pCPUs
      0  1  2  3
      A  F DE BC

    Why
    build
      <share>
      <rounded-down>
    cache
      <share>
      <raised-to-minimum>
      <shares-pcpus>
    mail
      <share>
      <raised-to-minimum>
      <shares-pcpus>
    proxy
      <share>
      <raised-to-minimum>
      <shares-pcpus>
    web-1
      <share>
      <raised-to-minimum>
      <shares-pcpus>
    web-2
      <share>
      <raised-to-minimum>

    Moves: 18 of 18 vCPUs
    domain  vCPUs  from pCPU  to pCPU  because
    build   0      0-3        0        <first-placement>
    build   1-3    0-3        0        <confined-while-offline>
    cache   0      0-3        3        <first-placement>
    cache   1      0-3        3        <confined-while-offline>
    mail    0      0-3        3        <first-placement>
    mail    1      0-3        3        <confined-while-offline>
    proxy   0      0-3        2        <first-placement>
    proxy   1      0-3        2        <confined-while-offline>
    web-1   0      0-3        2        <first-placement>
    web-1   1-3    0-3        2        <confined-while-offline>
    web-2   0      0-3        1        <first-placement>
    web-2   1-3    0-3        1        <confined-while-offline>
    "
  `);
});

test("nodes and a silent guest", async () => {
  expect(await check("two-nodes-smt")).toMatchInlineSnapshot(`
    "
    Domains
       domain    weight  entitled  online now  target  pCPUs  shares with
    A  database     512     8.000           8       8  8-15
    B  frontend     256     6.000           4       6  2-7
    C  legacy       256     2.000      silent       2  0-1

    pCPUs
    node 0  0  1  2  3  4  5  6  7
            C  C  B  B  B  B  B  B
    node 1  8  9 10 11 12 13 14 15
            A  A  A  A  A  A  A  A

    Why
    database
      <share>
    frontend
      <share>
      <surplus-from-others>
    legacy
      <share>
      <lowered-to-vcpus>
      <silent-guest>

    Moves: 18 of 18 vCPUs
    domain    vCPUs  from pCPU  to pCPU         because
    database  0-7    0-15       8-15, one each  <first-placement>
    frontend  0-5    0-15       2-7, one each   <first-placement>
    frontend  6-7    0-15       2-7             <confined-while-offline>
    legacy    0-1    0-1        0-1, one each   <set-resized>
    "
  `);
});
