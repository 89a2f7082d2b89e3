/**
 * What is left on disk about every guest of a lab, so that a later process can find it, or end it when the one
 * that started it is dead.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { isAlive, killForGood, PROCESS_IDENTITY, type ProcessIdentity } from "./processes.ts";
import { type GuestSpec, guestPaths } from "./qemu_arguments.ts";

export interface GuestRecord {
  readonly spec: GuestSpec;
  readonly qemu: ProcessIdentity;
  /** The process whose death ends the guest; `null` for a guest that outlives its starter. */
  readonly owner: ProcessIdentity | null;
}

export function writeRecord(folder: string, record: GuestRecord): void {
  const path = guestPaths(folder, record.spec.name).record;
  writeFileSync(`${path}.new`, `${JSON.stringify(record)}\n`);
  renameSync(`${path}.new`, path);
}

/** By name. A record that cannot be read is an error: it may be all that is known of a running guest. */
export function readRecords(folder: string): readonly GuestRecord[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".record.json"))
    .sort()
    .map((name) => {
      try {
        return RECORD.parse(JSON.parse(readFileSync(join(folder, name), "utf8"))) as GuestRecord;
      } catch (fault) {
        const why = fault instanceof Error ? fault.message : String(fault);
        throw new Error(
          `${join(folder, name)} is not a record of a guest (${why}): end its QEMU by hand and delete it`,
        );
      }
    });
}

/** Ends the guest if it runs and removes its files, the record last. */
export async function endGuest(folder: string, record: GuestRecord): Promise<void> {
  await killForGood(record.qemu);
  const { record: last, ...others } = guestPaths(folder, record.spec.name);
  for (const path of [...Object.values(others), last]) rmSync(path, { force: true });
}

/** Ends every guest whose owner is dead; returns their names. */
export async function reapOrphans(folder: string): Promise<readonly string[]> {
  const orphans = readRecords(folder).filter(({ owner }) => owner !== null && !isAlive(owner));
  await Promise.all(orphans.map((record) => endGuest(folder, record)));
  return orphans.map(({ spec }) => spec.name);
}

const RECORD = z.object({
  spec: z.looseObject({ name: z.string(), vcpus: z.number() }),
  qemu: PROCESS_IDENTITY,
  owner: PROCESS_IDENTITY.nullable(),
});
