/**
 * On request is lent only what two looks in a row, a second apart, and every look between them saw unused: asked of the
 * readings themselves, and not of what the controller remembers of them.
 */
import type { DomainUse } from "../../core/event.ts";
import type { Note } from "../../core/note.ts";
import { MILLI_PER_PCPU, type MilliPcpu, type Milliseconds } from "../../core/units.ts";

const APART_MS: Milliseconds = 1_000;
/** What has to stay free on the vCPUs that the lender keeps. */
const ROOM: MilliPcpu = 500;

export class LendingRule {
  #readings: { readonly at: Milliseconds; readonly use: readonly DomainUse[] }[] = [];

  /** A look that the controller is told of. */
  look(use: readonly DomainUse[], at: Milliseconds): void {
    this.#readings.push({ at, use });
    const first = this.#readings.findLastIndex((reading) => reading.at + APART_MS <= at);
    if (0 < first) this.#readings = this.#readings.slice(first);
  }

  /** A daemon that was started anew has seen nothing yet. */
  forget(): void {
    this.#readings = [];
  }

  broken(notes: readonly Note[]): string[] {
    return notes.flatMap((note) => {
      if (note.code !== "lent-on-request") return [];
      const { domain, left } = note;
      const used = this.#readings.map(
        ({ use }) => use.find((entry) => entry.domain === domain)?.used ?? null,
      );
      const isLow = used.every((one) => one !== null && one <= left * MILLI_PER_PCPU - ROOM);
      const [first, last] = [this.#readings.at(0), this.#readings.at(-1)];
      const isTwo = first !== undefined && last !== undefined && APART_MS <= last.at - first.at;
      return isLow && isTwo
        ? []
        : [`${domain} lent on request and keeps ${left}, but was seen to use ${used.join(", ")}`];
    });
  }
}
