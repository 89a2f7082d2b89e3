/** What metrics show that the state does not. */
import type { DomainUsage } from "../../hypervisor/port.ts";
import type { HistoryMeters } from "../history/start_history.ts";

export interface Meters {
  /** Totals since each domain started. */
  readonly usage: readonly DomainUsage[];
  readonly journalBytes: number;
  /** null: no history is kept. */
  readonly history: HistoryMeters | null;
}
