/** The result of `vbal bench api` as a table. */
import { alignedTable } from "../aligned_table.ts";
import { median } from "../statistics.ts";
import type { ApiBenchResult, HalfRound } from "./bench_api.ts";

export function renderBenchApi(result: ApiBenchResult): string[] {
  const { options, rounds, answers, events, host } = result;
  const ms = (half: "alone" | "withClients", of: (half: HalfRound) => number) =>
    `${median(rounds.map((round) => of(round[half]))).toFixed(3)} ms`;
  const row = (name: string, of: (half: HalfRound) => number, { ratio, ci95 }: ApiBenchResult["stepP99"]) => [
    name,
    ms("alone", of),
    ms("withClients", of),
    `${ratio.toFixed(3)} (${ci95[0].toFixed(3)}..${ci95[1].toFixed(3)})`,
  ];
  return [
    `${options.domains} domains of 4 vCPUs on ${options.pcpus} simulated pCPUs, ${result.looksPerSecond} looks a second asked for;`,
    `${options.pollers} clients ask once a second, ${options.streams} follow; ${rounds.length} rounds of twice ${options.seconds} s on ${host.pcpus} pCPUs`,
    "",
    ...alignedTable([
      ["", "alone", "with clients", "ratio (95 %)"],
      row("step, p99", ({ stepP99 }) => stepP99, result.stepP99),
      row("step, median", ({ stepP50 }) => stepP50, result.stepMedian),
      row("look, p99", ({ lookP99 }) => lookP99, result.lookP99),
    ]),
    "",
    `Answers: ${answers.count}, of which ${answers.failures} failed; median ${answers.p50Ms.toFixed(1)} ms, p99 ${answers.p99Ms.toFixed(1)} ms`,
    `Events: ${events.count}; streams lost: ${events.streamsLost}`,
  ];
}
