import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { planFrom } from "./plan.ts";
import { renderPlan } from "./render_plan.ts";
import { PLAIN } from "./style.ts";

/** What a person sees of an example's plan. */
async function check(example: string, width = 100): Promise<string> {
  const plan = await planFrom(fileURLToPath(new URL(`../../examples/${example}.yaml`, import.meta.url)));
  return `\n${renderPlan(plan, { width, style: PLAIN }).join("\n")}\n`;
}

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
      Its weight 512 of 768 in all is a share of 8 pCPUs of the host's 12 pCPUs.
    vm2
      Its weight 256 of 768 in all is a share of 4 pCPUs of the host's 12 pCPUs.

    Moves: 24 of 24 vCPUs
    domain  vCPUs  from pCPU  to pCPU         because
    vm1     0-7    0-11       0-7, one each   It has not been placed before.
    vm1     8-11   0-11       0-7             It is offline and confined to its domain's pCPUs, in case~
    vm2     0-3    0-11       8-11, one each  It has not been placed before.
    vm2     4-11   0-11       8-11            It is offline and confined to its domain's pCPUs, in case~
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
      Its weight 512 of 1408 in all is a share of 1.455 pCPUs of the host's
        4 pCPUs.
      1.454 pCPUs is rounded down to 1 vCPU.
    cache
      Its weight 128 of 1408 in all is a share of 0.364 pCPUs of the host's
        4 pCPUs.
      It always keeps at least 1 vCPU.
      It shares pCPU 3 with mail.
    mail
      Its weight 128 of 1408 in all is a share of 0.364 pCPUs of the host's
        4 pCPUs.
      It always keeps at least 1 vCPU.
      It shares pCPU 3 with cache.
    proxy
      Its weight 128 of 1408 in all is a share of 0.364 pCPUs of the host's
        4 pCPUs.
      It always keeps at least 1 vCPU.
      It shares pCPU 2 with web-1.
    web-1
      Its weight 256 of 1408 in all is a share of 0.727 pCPUs of the host's
        4 pCPUs.
      It always keeps at least 1 vCPU.
      It shares pCPU 2 with proxy.
    web-2
      Its weight 256 of 1408 in all is a share of 0.727 pCPUs of the host's
        4 pCPUs.
      It always keeps at least 1 vCPU.

    Moves: 18 of 18 vCPUs
    domain  vCPUs  from pCPU  to pCPU  because
    build   0      0-3        0        It has not been placed before.
    build   1-3    0-3        0        It is offline and confined to its do~
    cache   0      0-3        3        It has not been placed before.
    cache   1      0-3        3        It is offline and confined to its do~
    mail    0      0-3        3        It has not been placed before.
    mail    1      0-3        3        It is offline and confined to its do~
    proxy   0      0-3        2        It has not been placed before.
    proxy   1      0-3        2        It is offline and confined to its do~
    web-1   0      0-3        2        It has not been placed before.
    web-1   1-3    0-3        2        It is offline and confined to its do~
    web-2   0      0-3        1        It has not been placed before.
    web-2   1-3    0-3        1        It is offline and confined to its do~
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
      Its weight 512 of 1024 in all is a share of 8 pCPUs of the host's 16 pCPUs.
    frontend
      Its weight 256 of 1024 in all is a share of 4 pCPUs of the host's 16 pCPUs.
      It gets 2 pCPUs more, which other domains cannot use.
    legacy
      Its weight 256 of 1024 in all is a share of 4 pCPUs of the host's 16 pCPUs.
      It can use no more than its 2 vCPUs, so the rest is divided among the others.
      Its guest does not answer, so its vCPUs all stay online and are only confined to its pCPUs.

    Moves: 18 of 18 vCPUs
    domain    vCPUs  from pCPU  to pCPU         because
    database  0-7    0-15       8-15, one each  It has not been placed before.
    frontend  0-5    0-15       2-7, one each   It has not been placed before.
    frontend  6-7    0-15       2-7             It is offline and confined to its domain's pCPUs, in ca~
    legacy    0-1    0-1        0-1, one each   Its domain has 1 pCPU to run on now, and it was on 2.
    "
  `);
});
