/**
 * Where domains may be found: sockets that the config lists, and a directory in which NAME.qmp is a domain's monitor
 * and NAME.agent and NAME.qga its guest channels. The directory is watched, and read again every so often because a
 * watch may miss something or break when the directory is replaced.
 */
import { readdirSync, watch } from "node:fs";
import { join } from "node:path";
import type { DomainId, Milliseconds } from "../../core/units.ts";
import type { Timers } from "../timers.ts";

export interface DomainSource {
  /** `null`: as QEMU's -name says, or else the socket's file name. */
  readonly name: DomainId | null;
  /** Path of the monitor's unix socket. */
  readonly qmp: string;
  /** Path of the channel to vbal's agent. */
  readonly agent: string | null;
  /** Path of the channel to the stock guest agent. */
  readonly qga: string | null;
}

export interface DomainSources {
  /** Ordered by the monitor's path. */
  list(): readonly DomainSource[];
  /** What stands in the way of finding domains, or `null`. */
  problem(): string | null;
  stop(): void;
}

export interface DomainSourcesOptions {
  readonly directory: string | null;
  readonly listed: readonly DomainSource[];
  readonly timers: Timers;
  /**
   * `changed`: the list may have changed, or a socket was made anew under its old name. `rescanned`: the directory
   * was read again because it was time to.
   */
  readonly onScan: (why: "changed" | "rescanned") => void;
}

/** So often the directory is read again, watched or not. */
export const RESCAN_EVERY_MS: Milliseconds = 2_000;
/** Files that are made together are seen together. */
const SETTLE_MS: Milliseconds = 20;
/** Far beyond what a host can run; a directory with more is the wrong directory. */
export const DOMAINS_MAX = 4_096;

export function watchDomainSources(options: DomainSourcesOptions): DomainSources {
  const { directory, listed, timers, onScan } = options;
  if (directory === null) {
    let cancel: () => void = () => undefined;
    const again = () => {
      onScan("rescanned");
      cancel = timers.after(RESCAN_EVERY_MS, again);
    };
    cancel = timers.after(RESCAN_EVERY_MS, again);
    return { list: () => listed, problem: () => null, stop: () => cancel() };
  }
  let found: readonly DomainSource[] = [];
  let problem: string | null = null;
  let watching: { close(): void } | null = null;
  let cancelSettle: (() => void) | null = null;
  let cancelRescan: () => void = () => undefined;

  function scan(folder: string): void {
    cancelRescan();
    cancelRescan = timers.after(RESCAN_EVERY_MS, () => {
      scan(folder);
      onScan("rescanned");
    });
    try {
      found = sourcesIn(folder, readdirSync(folder));
      problem =
        DOMAINS_MAX < found.length
          ? `${folder} holds ${found.length} monitors, more than ${DOMAINS_MAX}: is it the right directory?`
          : null;
      watching ??= openWatch(folder);
    } catch (error) {
      found = [];
      problem = `The directory for domains cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      watching?.close();
      watching = null;
    }
  }
  function openWatch(folder: string): { close(): void } {
    const watcher = watch(folder, { persistent: false }, () => {
      cancelSettle ??= timers.after(SETTLE_MS, () => {
        cancelSettle = null;
        scan(folder);
        onScan("changed");
      });
    });
    // The rescan goes on without it and opens another.
    watcher.on("error", () => {
      watcher.close();
      watching = null;
    });
    return watcher;
  }

  scan(directory);
  return {
    list: () => merge(listed, found).slice(0, DOMAINS_MAX),
    problem: () => problem,
    stop() {
      watching?.close();
      cancelSettle?.();
      cancelRescan();
    },
  };
}

/** The domains that these file names stand for. */
export function sourcesIn(folder: string, names: readonly string[]): DomainSource[] {
  const there = new Set(names);
  return names
    .filter((name) => name.endsWith(".qmp") && name !== ".qmp")
    .sort()
    .map((file) => {
      const name = file.slice(0, -".qmp".length);
      const channel = (kind: string) =>
        there.has(`${name}.${kind}`) ? join(folder, `${name}.${kind}`) : null;
      return { name, qmp: join(folder, file), agent: channel("agent"), qga: channel("qga") };
    });
}

/** A monitor that is listed is not taken from the directory again. */
function merge(listed: readonly DomainSource[], found: readonly DomainSource[]): DomainSource[] {
  const known = new Set(listed.map((source) => source.qmp));
  return [...listed, ...found.filter((source) => !known.has(source.qmp))].sort((a, b) =>
    a.qmp < b.qmp ? -1 : 1,
  );
}
