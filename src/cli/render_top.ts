/** One frame of `vbal top`: exactly as many lines as the screen has, the last one for keys and trouble. */
import type { StateView } from "../protocol/state_view.ts";
import { truncate } from "./columns.ts";
import { renderStatus, type StatusLayout } from "./render_status.ts";

export interface TopState {
  readonly state: StateView;
  /** Why the state is an old one; null when it is not. */
  readonly problem: string | null;
  readonly scroll: number;
  readonly isPaused: boolean;
}

export function renderTop(top: TopState, layout: StatusLayout & { readonly height: number }): string[] {
  const { width, height, style } = layout;
  const body = renderStatus(top.state, { ...layout, height: height - 1, scroll: top.scroll }).slice(
    0,
    height - 1,
  );
  const filled = [...body, ...Array.from({ length: height - 1 - body.length }, () => "")];
  const arrows = style.unicode ? "↑↓" : "arrows";
  const keys = truncate(`q quit   ${arrows} scroll   p ${top.isPaused ? "go on" : "pause"}`, width);
  const trouble = top.problem ?? (top.isPaused ? "Paused" : null);
  return [...filled, trouble === null ? style.faint(keys) : style.bad(truncate(trouble, width))];
}
