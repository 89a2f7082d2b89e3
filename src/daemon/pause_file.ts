/**
 * A maintenance pause: until somebody resumes, nothing is changed on the host, also over a restart of the daemon. It
 * is a file beside the journal, so that a person without a daemon can see it and take it away.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface PauseFile {
  isPaused(): boolean;
  /** Throws when it cannot be written or removed; what holds then is what held before. */
  set(paused: boolean, by: string): void;
}

export function pauseFile(path: string): PauseFile {
  let paused = existsSync(path);
  return {
    isPaused: () => paused,
    set(wanted, by) {
      if (wanted) {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, `${JSON.stringify({ by, since: new Date().toISOString() })}\n`);
      } else rmSync(path, { force: true });
      paused = wanted;
    },
  };
}
