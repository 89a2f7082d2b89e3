/** The API in a thread of its own, as the daemon runs it: what reaches the daemon, and what does not. */
import { readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import type { Worker } from "node:worker_threads";
import { afterEach, describe, expect, test } from "vitest";
import { startHistory } from "../history/start_history.ts";
import { type Asked, type DaemonApi, openDaemonApi } from "./daemon_api_suite.ts";
import { startApi } from "./start_api.ts";

let api: DaemonApi | null = null;

afterEach(async () => {
  await api?.close();
  api = null;
});

describe("the shipped threads", () => {
  test("a change goes to the daemon and is shown at once; the history has it a moment later", async () => {
    api = await openDaemonApi({ startApi, startHistory });
    const ask = (asked: Asked) => api!.ask(asked);
    const done = await ask({ method: "POST", path: "/v1/domains/web", body: { weight: 512 } });
    expect(done).toMatchObject({ status: 200, json: { message: "web is set" } });
    expect((await ask({ path: "/v1/domains/web" })).json).toMatchObject({ name: "web", weight: 512 });
    const points = async () =>
      ((await ask({ path: "/v1/history?domain=web" })).json as { atMs: number[] }).atMs.length;
    await expect.poll(points, { timeout: 10_000 }).toBeGreaterThan(0);
    const metrics = (await ask({ path: "/metrics" })).text;
    expect(metrics).toMatch(/^vbal_domain_weight\{domain="web"\} 512$/m);
    expect(metrics).toMatch(/^vbal_loop_step_seconds_count [1-9]/m);
  });

  test("a refusal of the daemon comes back as one, and a preview changes nothing", async () => {
    api = await openDaemonApi({ startApi, startHistory });
    const refused = await api.ask({ method: "POST", path: "/v1/domains/web", body: { wieght: 1 } });
    expect(refused).toMatchObject({ status: 400, json: { error: { code: "bad-request" } } });
    await expect.poll(() => api!.daemon.view().domains.map(({ online }) => online)).toEqual([4, 4]);
    const preview = await api.ask({
      method: "POST",
      path: "/v1/preview",
      body: { domains: { web: { weight: 768 } } },
    });
    expect(preview.json).toMatchObject({
      domains: [
        { name: "db", target: { from: 4, to: 2 } },
        { name: "web", target: { from: 4, to: 6 } },
      ],
    });
    expect(api.overrides()).toEqual({});
    expect(api.daemon.view().domains.map(({ target }) => target)).toEqual([4, 4]);
  });

  test("a thread of the API that dies is told and started again, and the loop goes on all the while", async () => {
    const workers: Worker[] = [];
    const onWorker = (worker: Worker) => void workers.push(worker);
    process.on("worker", onWorker);
    api = await openDaemonApi({ startApi, startHistory });
    process.off("worker", onWorker);
    const { revision } = api.daemon.view();
    await workers[0]!.terminate();
    await expect.poll(() => api!.daemon.view().revision, { timeout: 10_000 }).toBeGreaterThan(revision + 3);
    const answers = () =>
      api!.ask({ path: "/v1/state" }).then(
        ({ status }) => status,
        () => null,
      );
    await expect.poll(answers, { timeout: 15_000 }).toBe(200);
    expect(api.log).toContain("The API's thread ended; control goes on, and the API is started again in 1 s");
  });

  test("where pCPUs are short, the control loop goes before the API and the history", async () => {
    const before = new Set(niceOfThreads().keys());
    // Whoever runs the tests may have made them nice, too.
    const own = getPriority();
    api = await openDaemonApi({ startApi, startHistory });
    // The history's thread begins with the first sample.
    await expect.poll(() => started(before).filter((nice) => own < nice).length, { timeout: 10_000 }).toBe(2);
    expect(niceOfThreads().get(process.pid)).toBe(own);
  });
});

function started(before: ReadonlySet<number>): number[] {
  return [...niceOfThreads()].filter(([thread]) => !before.has(thread)).map(([, nice]) => nice);
}

/** By thread id, as the kernel has it. */
function niceOfThreads(): Map<number, number> {
  return new Map(
    readdirSync("/proc/self/task").map((thread) => {
      const stat = readFileSync(`/proc/self/task/${thread}/stat`, "latin1");
      // The nineteenth field; the second is a name and may hold spaces.
      return [Number(thread), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16])];
    }),
  );
}
