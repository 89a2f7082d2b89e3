/** Requests for vCPUs, each as one sentence: why, for where, what came of it and how long that took. */
import type { RequestView } from "../protocol/state_view.ts";
import { renderNumber } from "./render_load.ts";
import type { Style } from "./style.ts";

export interface RequestSentence {
  readonly text: string;
  readonly look: (text: string) => string;
}

export function renderRequest(request: RequestView, style: Style): RequestSentence {
  const { node, fate } = request;
  const where = node === null ? "" : `, for node ${node}`;
  return { text: `${cause(request)}${where}: ${answer(request)}`, look: lookOf(fate, style) };
}

function cause({ origin, exceeded }: RequestView): string {
  if (exceeded === null) return origin === "administrator" ? "Asked by a person" : "Asked";
  const { measure, value, threshold } = exceeded;
  return `${measure} ${renderNumber(value)} exceeds ${renderNumber(threshold)}`;
}

function answer({ fate, vcpu, why, atMs, answeredAtMs, onlineAtMs }: RequestView): string {
  switch (fate) {
    case "waiting":
      return `waits. ${why}`;
    case "denied":
      return `denied. ${why}`;
    case "granted": {
      const answered = answeredAtMs === null ? "" : ` after ${span(answeredAtMs - atMs)}`;
      const online = onlineAtMs === null ? "not online yet" : `online after ${span(onlineAtMs - atMs)}`;
      return `granted vCPU ${vcpu ?? "?"}${answered}, ${online}. ${why}`;
    }
  }
}

function lookOf(fate: RequestView["fate"], style: Style): (text: string) => string {
  return { waiting: style.faint, granted: style.good, denied: style.warn }[fate];
}

function span(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
