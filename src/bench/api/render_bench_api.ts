/** The result of `vbal bench api` as a table. */
import { alignedTable } from "../aligned_table.ts";
import { median } from "../statistics.ts";
import type { ApiBenchResult, Block, Ratio } from "./bench_api.ts";

/** The target: the p99 of a step's time is unchanged within so much. */
const UNCHANGED_WITHIN = 0.1;

export function renderBenchApi(result: ApiBenchResult): string[] {
  const { options, rounds, answers, events, host } = result;
  const ms = (block: "alone" | "withClients", of: (block: Block) => number) =>
    `${median(rounds.map((round) => of(round[block]))).toFixed(3)} ms`;
  const row = (name: string, of: ((block: Block) => number) | null, { ratio, ci95 }: Ratio) => [
    name,
    of === null ? "" : ms("alone", of),
    of === null ? "" : ms("withClients", of),
    `${ratio.toFixed(3)} (${ci95[0].toFixed(3)}..${ci95[1].toFixed(3)})`,
  ];
  const sum = (of: (round: (typeof rounds)[number]) => number) =>
    rounds.reduce((total, one) => total + of(one), 0);
  return [
    `${options.domains} domains of 4 vCPUs on ${options.pcpus} simulated pCPUs, ${result.looksPerSecond} looks a second asked for;`,
    `${options.pollers} clients ask once a second, ${options.streams} follow; ${rounds.length} rounds of twice ${options.seconds} s on ${host.pcpus} pCPUs`,
    "",
    ...alignedTable([
      ["median of the blocks", "alone", "with clients", "ratio of all steps (95 %)"],
      row("step, processor time, p99", ({ processorP99 }) => processorP99, result.processorP99),
      row("  without garbage collections", null, result.processorP99NoGc),
      row("step, processor time, p50", ({ processorP50 }) => processorP50, result.processorMedian),
      row("step, time passed, p99", ({ wallP99 }) => wallP99, result.wallP99),
      row("look, time passed, p99", ({ lookP99 }) => lookP99, result.lookP99),
    ]),
    "",
    `p99 of a step's processor time unchanged within ${100 * UNCHANGED_WITHIN} %: ${verdict(result.processorP99)}`,
    `Steps: ${sum(({ alone }) => alone.steps)} alone, ${sum(({ withClients }) => withClients.steps)} with clients; with a garbage collection in them: ${sum(({ alone }) => alone.stepsWithGc)} and ${sum(({ withClients }) => withClients.stepsWithGc)}`,
    `Answers: ${answers.count}, of which ${answers.failures} failed; median ${answers.p50Ms.toFixed(1)} ms, p99 ${answers.p99Ms.toFixed(1)} ms`,
    `Events: ${events.count}; streams lost: ${events.streamsLost}`,
  ];
}

function verdict({ ci95: [low, high] }: Ratio): string {
  const [least, most] = [1 - UNCHANGED_WITHIN, 1 + UNCHANGED_WITHIN];
  if (least <= low && high <= most) return "yes";
  if (high < least || most < low) return "no";
  return "cannot be said from this run; take more rounds, or a quieter machine";
}
