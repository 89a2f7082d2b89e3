/**
 * Whether a QEMU is being migrated: to another host, into a file, or in from either. Meanwhile its vCPUs must stay as
 * they are, since the other end was told of these (pitfalls 19 and 20).
 *
 * QEMU tells of migrations only once it was asked to (the `events` capability), which it refuses during one. So what
 * is under way is also looked at every so often, until it is over.
 */
import type { Milliseconds } from "../../core/units.ts";
import type { Timers } from "../timers.ts";
import { migrationStatus, tellOfMigrations } from "./qmp_commands.ts";
import type { QmpConnection, QmpEvent } from "./qmp_connection.ts";

export interface MigrationWatch {
  isUnderWay(): boolean;
  /** On a new connection. */
  meet(connection: QmpConnection): Promise<void>;
  heed(event: QmpEvent): void;
  /** The process has ended. */
  forget(): void;
}

const QMP_DEADLINE_MS: Milliseconds = 2_000;
/** A migration takes seconds to hours. */
const LOOK_EVERY_MS: Milliseconds = 1_000;
/** Every other state is some way of being at it, those of later QEMUs too. */
const OVER: ReadonlySet<string> = new Set(["none", "completed", "failed", "cancelled"]);

export function createMigrationWatch(timers: Timers, onChange: () => void): MigrationWatch {
  let underWay = false;
  let monitor: QmpConnection | null = null;
  let cancelLook: () => void = () => undefined;

  function learn(status: string): void {
    const before = underWay;
    underWay = !OVER.has(status);
    cancelLook();
    if (underWay) cancelLook = timers.after(LOOK_EVERY_MS, () => void look());
    if (underWay !== before) onChange();
  }
  async function look(): Promise<void> {
    const asked = monitor;
    if (asked === null) return;
    try {
      const status = await migrationStatus(asked, QMP_DEADLINE_MS);
      if (asked === monitor) learn(status);
    } catch {
      // No answer: it is as it was. The next connection asks again; a slow monitor is asked again here.
      if (asked === monitor && underWay) cancelLook = timers.after(LOOK_EVERY_MS, () => void look());
    }
  }

  return {
    isUnderWay: () => underWay,
    async meet(connection) {
      monitor = connection;
      await tellOfMigrations(connection, QMP_DEADLINE_MS);
      learn(await migrationStatus(connection, QMP_DEADLINE_MS));
    },
    heed({ event, data }) {
      if (event === "MIGRATION" && typeof data["status"] === "string") learn(data["status"]);
    },
    forget() {
      cancelLook();
      monitor = null;
      underWay = false;
    },
  };
}
