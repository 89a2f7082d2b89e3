/** Feeds a journal to the controller again: same policy, same events, same decisions (invariant 12). Pure. */

import { step } from "../core/controller.ts";
import { type ControllerState, INITIAL_STATE } from "../core/controller_state.ts";
import type { ControllerEvent } from "../core/event.ts";
import { explainNote } from "../core/explain_note.ts";
import type { Note } from "../core/note.ts";
import { DEFAULT_POLICY, type Policy } from "../core/policy.ts";
import type { Milliseconds } from "../core/units.ts";
import { digestOf } from "../protocol/digest.ts";
import type { NumberedRecord } from "../protocol/journal.ts";

export type ControllerRecord = NumberedRecord<ControllerEvent, ControllerState>;

export interface Replay {
  readonly policy: Policy;
  readonly state: ControllerState;
  readonly steps: readonly ReplayedStep[];
  /** Where the decisions are not those that the daemon made then: another version of vbal, or a lost record. */
  readonly differences: readonly Difference[];
}

export interface ReplayedStep {
  readonly seq: number;
  readonly now: Milliseconds;
  readonly event: ControllerEvent;
  readonly actions: readonly object[];
  readonly notes: readonly Note[];
  readonly texts: readonly string[];
}

export interface Difference {
  readonly seq: number;
  readonly line: number;
  readonly journalled: string;
  readonly replayed: string;
}

/** Replays from the last checkpoint (`from: "checkpoint"`, for a restart) or from the first one in the file. */
export function replay(records: readonly ControllerRecord[], from: "start" | "checkpoint"): Replay {
  const begin =
    from === "start"
      ? 0
      : Math.max(
          0,
          records.findLastIndex(({ record }) => record.kind === "checkpoint"),
        );
  let policy = DEFAULT_POLICY;
  let state = INITIAL_STATE;
  const steps: ReplayedStep[] = [];
  const differences: Difference[] = [];
  for (const { seq, line, record } of records.slice(begin)) {
    switch (record.kind) {
      case "start":
      case "policy":
        policy = record.policy;
        break;
      case "checkpoint":
        policy = record.policy;
        state = record.state;
        break;
      case "note":
        break;
      case "event": {
        const result = step(policy, state, record.event, record.now);
        state = result.state;
        const replayed = digestOf(result.actions);
        if (replayed !== record.actions)
          differences.push({ seq, line, journalled: record.actions, replayed });
        const { actions, notes } = result;
        steps.push({
          seq,
          now: record.now,
          event: record.event,
          actions,
          notes,
          texts: notes.map(explainNote),
        });
      }
    }
  }
  return { policy, state, steps, differences };
}
