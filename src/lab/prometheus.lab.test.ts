/** Metrics, alerts and the dashboard's expressions, as the real Prometheus takes them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type DaemonApi, openDaemonApi } from "../daemon/api/daemon_api_suite.ts";
import { type Prometheus, promtool, startPrometheus } from "./prometheus.ts";

const PACKAGING = resolve(import.meta.dirname, "../../packaging");
const ALERTS = join(PACKAGING, "alerts.yaml");

interface Rule {
  readonly alert: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
const rules = (
  parse(readFileSync(ALERTS, "utf8")) as { groups: { name: string; rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "vbal-prometheus-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the rules are well formed", () => {
  expect(promtool(["check", "rules", ALERTS])).toMatchObject({ ok: true });
});

/** Values for each minute of two hours, in the notation of promtool; `quiet` is a host that is well. */
interface AlertCase {
  readonly alert: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ill: Readonly<Record<string, string>>;
  readonly quiet: Readonly<Record<string, string>>;
}

const ON_HOST = { instance: "h" };
const steps = (fast: string) => ({
  'vbal_loop_step_seconds_bucket{instance="h",le="0.05"}': fast,
  'vbal_loop_step_seconds_bucket{instance="h",le="0.5"}': "0+60x120",
  'vbal_loop_step_seconds_bucket{instance="h",le="+Inf"}': "0+60x120",
});
const waits = (wait: string) => ({
  'vbal_vcpu_wait_seconds_total{instance="h",domain="web",vcpu="0"}': wait,
  'vbal_vcpu_run_seconds_total{instance="h",domain="web",vcpu="0"}': "0+50x120",
});
const one = (series: string, ill: string, quiet: string) => ({
  ill: { [series]: ill },
  quiet: { [series]: quiet },
});
const CASES: readonly AlertCase[] = [
  {
    alert: "VbalDown",
    labels: ON_HOST,
    ...one('vbal_build_info{instance="h",version="1"}', "1x10 stale", "1x120"),
  },
  { alert: "VbalLoopSlow", labels: ON_HOST, ill: steps("0+50x120"), quiet: steps("0+60x120") },
  {
    alert: "VbalGuestUncooperative",
    labels: { ...ON_HOST, domain: "web", standing: "uncooperative" },
    ...one('vbal_domain_cooperation{instance="h",domain="web",standing="uncooperative"}', "1x120", "0x120"),
  },
  {
    alert: "VbalCommandsFail",
    labels: { ...ON_HOST, command: "pin-vcpu", outcome: "timeout" },
    ...one('vbal_commands_total{instance="h",command="pin-vcpu",outcome="timeout"}', "0+6x120", "0+1x120"),
  },
  {
    alert: "VbalDomainWaits",
    labels: { ...ON_HOST, domain: "web" },
    ill: waits("0+20x120"),
    quiet: waits("0+5x120"),
  },
  {
    alert: "VbalRequestsDenied",
    labels: { ...ON_HOST, reason: "no-free-pcpu" },
    ...one(
      'vbal_requests_total{instance="h",outcome="denied",reason="no-free-pcpu"}',
      "0+1x120",
      "0+0.1x120",
    ),
  },
  {
    alert: "VbalConfigRefused",
    labels: ON_HOST,
    ...one('vbal_config_refused{instance="h"}', "1x120", "0x120"),
  },
  { alert: "VbalProblems", labels: ON_HOST, ...one('vbal_problems{instance="h"}', "2x120", "0x120") },
  {
    alert: "VbalHistoryLosesSamples",
    labels: ON_HOST,
    ...one('vbal_history_left_out_total{instance="h"}', "0+60x120", "0+1x120"),
  },
];

describe("each alert fires when it should, and only then", () => {
  test("there is a case for each", () => {
    expect(CASES.map(({ alert }) => alert)).toEqual(rules.map(({ alert }) => alert));
  });

  test.each(CASES)("$alert", ({ alert, labels, ill, quiet }) => {
    const { labels: own, annotations } = rules.find((rule) => rule.alert === alert)!;
    const filled = Object.entries(annotations).map(([name, text]) => [
      name,
      text.replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label]!),
    ]);
    const fired = [
      { exp_labels: { ...labels, ...own }, exp_annotations: Object.fromEntries(filled) as object },
    ];
    const testOf = (series: AlertCase["ill"], expected: readonly object[]) => ({
      interval: "1m",
      input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
      alert_rule_test: [{ eval_time: "110m", alertname: alert, exp_alerts: expected }],
    });
    const file = join(folder, `${alert}.yaml`);
    // JSON is YAML, too.
    writeFileSync(
      file,
      JSON.stringify({
        rule_files: [ALERTS],
        evaluation_interval: "1m",
        tests: [testOf(ill, fired), testOf(quiet, [])],
      }),
    );
    expect(promtool(["test", "rules", file])).toMatchObject({ ok: true });
  });
});

describe("a Prometheus that scrapes a daemon over TCP, with a token", () => {
  let api: DaemonApi;
  let prometheus: Prometheus;

  beforeAll(async () => {
    api = await openDaemonApi();
    const hurried = join(folder, "alerts.yaml");
    // What an alert waits for is promtool's test above; here it is whether one fires at all.
    writeFileSync(hurried, readFileSync(ALERTS, "utf8").replace(/^ +for: .*\n/gm, ""));
    const config = join(folder, "prometheus.yaml");
    const target = { targets: [`127.0.0.1:${api.port}`] };
    const authorization = { credentials_file: join(api.folder, "read.tokens") };
    writeFileSync(
      config,
      JSON.stringify({
        global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
        rule_files: [hurried],
        scrape_configs: [{ job_name: "vbal", authorization, static_configs: [target] }],
      }),
    );
    prometheus = await startPrometheus(config, folder);
  });
  afterAll(async () => {
    await prometheus.stop();
    await api.close();
  });

  const query = async (expression: string) =>
    (await prometheus.ask(`query?query=${encodeURIComponent(expression)}`)) as {
      result: { value: [number, string] }[];
    };
  const numberOf = async (expression: string) => (await query(expression)).result[0]?.value[1];
  const firing = async () =>
    ((await prometheus.ask("alerts")) as { alerts: { labels: { alertname: string } }[] }).alerts.map(
      ({ labels }) => labels.alertname,
    );

  test("promtool has nothing to say against the metrics", async () => {
    const { text } = await api.ask({ path: "/metrics" });
    expect(promtool(["check", "metrics"], text)).toEqual({ ok: true, said: "" });
  });

  test("they arrive", async () => {
    await expect.poll(() => numberOf('up{job="vbal"}')).toBe("1");
    await expect.poll(() => numberOf("vbal_domains")).toBe("2");
    await expect.poll(firing).toEqual([]);
  });

  const dashboard = JSON.parse(readFileSync(join(PACKAGING, "grafana.json"), "utf8")) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  test.each(
    dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
  )("the dashboard's %s: %s", async (_, expression) => {
    const filled = expression.replaceAll("$__rate_interval", "4s").replaceAll("$domain", ".*");
    await expect(query(filled)).resolves.toHaveProperty("result");
  });

  test("a token that is not known gets nothing, and the alert says so", async () => {
    writeFileSync(join(api.folder, "read.tokens"), "a-token-that-nobody-knows\n");
    await expect.poll(() => numberOf('up{job="vbal"}')).toBe("0");
    await expect.poll(firing).toContain("VbalDown");
  });
});
