/** What GET /metrics shows, and that the files in packaging/ ask for nothing that is not there. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { exampleState } from "../../cli/example_state_suite.ts";
import type { Meters } from "./meters.ts";
import { Metrics } from "./metrics.ts";

const METERS: Meters = {
  usage: [
    {
      domain: 'we"b\n',
      vcpus: [{ index: 0, run: 2.5e9, wait: 1e9, steal: null, dispatches: 9, lastPcpu: 0 }],
      interruptsPerSecond: 7,
      switchesPerSecond: null,
      spinning: null,
      inKernel: null,
    },
  ],
  journalBytes: 7,
  history: { bytes: null, waiting: 2, leftOut: 3 },
};

function show(names: readonly string[], metrics = new Metrics("1"), meters = METERS): Promise<string> {
  const domains = names.map((name) => ({ name, at: [0, null] as const }));
  return metrics.render(exampleState({ pcpus: 4, domains }), meters, 5);
}

describe("what is", () => {
  test("is shown as it is now: a domain that is gone has no series", async () => {
    const metrics = new Metrics("1");
    expect(await show(["web", "db"], metrics)).toMatch(/^vbal_domain_vcpus_online\{domain="db"\} 1$/m);
    const text = await show(["web"], metrics);
    expect(text).not.toMatch(/domain="db"/);
    expect(text).toMatch(/^vbal_host_pcpus_pool 4$/m);
    expect(text).toMatch(/^vbal_history_lag_seconds 2$/m);
    // Totals of a counter are the kernel's, not added up again by every look.
    expect(text).toMatch(/^vbal_history_left_out_total 3$/m);
  });

  test("names of domains cannot break out of their quotes, and what is not known is absent", async () => {
    const text = await show(["web"]);
    expect(text).toMatch(/^vbal_vcpu_run_seconds_total\{domain="we\\"b\\n",vcpu="0"\} 2\.5$/m);
    expect(text).not.toMatch(/^vbal_vcpu_steal_seconds_total\{/m);
  });

  test("more domains than are worth a series each are counted, not shown", async () => {
    const text = await show(Array.from({ length: 600 }, (_, i) => `domain-${i}`));
    expect(text.match(/^vbal_domain_weight\{/gm)).toHaveLength(512);
    expect(text).toMatch(/^vbal_series_omitted 88$/m);
  });
});

test("what happened is counted and timed, in seconds", async () => {
  const metrics = new Metrics("1");
  metrics.take({ kind: "step", seconds: 0.003 });
  metrics.take({ kind: "answer", domain: "web", reason: "no-free-pcpu", seconds: 0.2 });
  metrics.take({ kind: "command", command: "pin-vcpu", outcome: "ok", seconds: 0.01 });
  metrics.take({ kind: "target-confirmed", domain: "web", seconds: 1.5 });
  metrics.answered({ route: "/v1/state", status: 200, seconds: 0.001 });
  const text = await show([], metrics);
  expect(text).toMatch(/^vbal_loop_step_seconds_bucket\{le="0\.002"\} 0$/m);
  expect(text).toMatch(/^vbal_loop_step_seconds_bucket\{le="0\.005"\} 1$/m);
  expect(text).toMatch(/^vbal_requests_total\{outcome="denied",reason="no-free-pcpu"\} 1$/m);
  expect(text).toMatch(/^vbal_commands_total\{command="pin-vcpu",outcome="ok"\} 1$/m);
  expect(text).toMatch(/^vbal_target_confirmed_seconds_sum 1\.5$/m);
  expect(text).toMatch(/^vbal_api_requests_total\{route="\/v1\/state",status="2xx"\} 1$/m);
});

describe("the files for operators", () => {
  const names = new Set(
    new Metrics("1").names.flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]),
  );
  const alerts = parse(packaged("alerts.yaml")) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary: string; advice: string } }[] }[];
  };
  const dashboard = JSON.parse(packaged("grafana.json")) as {
    templating: { list: { definition?: string }[] };
    panels: { id: number; title: string; targets: { expr: string }[] }[];
  };

  test("every metric has a unit, a count or a thing in its name, and says what it is", async () => {
    const text = await show(["web"]);
    const lines = [...text.matchAll(/^# HELP (\S+) (.+)$/gm)];
    expect(new Set(lines.map(([, name]) => name))).toEqual(new Set(new Metrics("1").names));
    for (const [, , help] of lines) expect(help!.length).toBeGreaterThan(10);
  });

  test.each(alerts.groups.flatMap(({ rules }) => rules).map((rule) => [rule.alert, rule] as const))(
    "alert %s asks for what exists, and says what to do",
    (_, { expr, annotations }) => {
      expect(metricsIn(expr).filter((name) => !names.has(name))).toEqual([]);
      expect(metricsIn(expr).length).toBeGreaterThan(0);
      expect(annotations.advice.length).toBeGreaterThan(10);
    },
  );

  test.each(dashboard.panels.map((panel) => [panel.title, panel] as const))(
    "panel %s asks for what exists",
    (_, { targets }) => {
      const asked = targets.flatMap(({ expr }) => metricsIn(expr));
      expect(asked.length).toBeGreaterThan(0);
      expect(asked.filter((name) => !names.has(name))).toEqual([]);
    },
  );

  test("the dashboard's choice of domains too, and its panels have numbers of their own", () => {
    const asked = dashboard.templating.list.flatMap(({ definition }) => metricsIn(definition ?? ""));
    expect(asked.filter((name) => !names.has(name))).toEqual([]);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });
});

function packaged(name: string): string {
  return readFileSync(new URL(`../../../packaging/${name}`, import.meta.url), "utf8");
}

function metricsIn(expression: string): string[] {
  return expression.match(/\b(vbal|process)_\w+/g) ?? [];
}
