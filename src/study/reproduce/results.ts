/** The rows of an experiment by cell, in the order of their replications, and the quantities that claims are about. */
import type { FlatRow } from "../runs/flat_row.ts";

export class Results {
  readonly #rows = new Map<string, FlatRow[]>();

  put(id: string, replication: number, row: FlatRow): void {
    const rows = this.#rows.get(id) ?? [];
    rows[replication] = row;
    this.#rows.set(id, rows);
  }

  rows(id: string): readonly FlatRow[] {
    const rows = this.#rows.get(id);
    if (rows === undefined) throw new Error(`No run was made of the cell ${id}`);
    return rows;
  }

  /** The cells whose ids begin so, by the rest of their ids. */
  under(prefix: string): Results {
    const part = new Results();
    for (const [id, rows] of this.#rows)
      if (id.startsWith(prefix)) part.#rows.set(id.slice(prefix.length), rows);
    return part;
  }

  ids(): string[] {
    return [...this.#rows.keys()];
  }

  /** A column of every replication; throws for a name that there is not, NaN where the run has no value. */
  column(id: string, name: string): number[] {
    return this.rows(id).map((row) => {
      const value = row[name];
      if (value === undefined) throw new Error(`The cell ${id} has no column ${name}`);
      return typeof value === "number" ? value : Number.NaN;
    });
  }

  /** Execution times of the first VM's workload, ns. */
  times(id: string): number[] {
    return this.column(id, "domains.vm1.executionNs");
  }

  /** What the first VM shows as its kernel time, blind to steal time; at least a nanosecond, for ratios. */
  kernelTimes(id: string): number[] {
    return this.column(id, "domains.vm1.guestVisibleKernelNs").map((ns) => Math.max(1, ns));
  }
}
