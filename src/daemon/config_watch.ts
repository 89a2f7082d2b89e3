/**
 * Tells when the config file may have changed: its folder is watched, because editors and configuration tools put a
 * new file in the old one's place, and a burst of events counts once.
 */
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";

/** Editors write a file in several steps within a few milliseconds. */
const SETTLE_MS = 100;

export interface ConfigWatch {
  close(): void;
}

/** Calls `onChange` at most once per burst. Where the folder cannot be watched, `onFault` says what still works. */
export function watchConfig(
  file: string,
  onChange: () => void,
  onFault: (message: string) => void,
): ConfigWatch {
  let timer: NodeJS.Timeout | null = null;
  let watcher: FSWatcher | null = null;
  const failed = (error: unknown) =>
    onFault(`Cannot watch ${dirname(file)} for changes (${String(error)}); reload with SIGHUP instead`);
  try {
    watcher = watch(dirname(file), (_, name) => {
      if (name !== null && name !== basename(file)) return;
      if (timer !== null) clearTimeout(timer);
      timer = setTimeout(onChange, SETTLE_MS);
    });
    watcher.on("error", failed);
  } catch (error) {
    failed(error);
  }
  return {
    close: () => {
      if (timer !== null) clearTimeout(timer);
      watcher?.close();
    },
  };
}
