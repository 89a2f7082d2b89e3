/** Keeps systemd informed while the daemon runs; its watchdog hears only of a loop that still observes the host. */
import type { Daemon } from "../daemon/daemon.ts";
import { serviceNotifier } from "../daemon/service_notifier.ts";

export interface SystemdTold {
  stopping(): void;
}

/** Call it when the daemon is ready. */
export function tellSystemd(daemon: Daemon): SystemdTold {
  const notifier = serviceNotifier();
  notifier.tell({ READY: "1", STATUS: statusOf(daemon) });
  let seen = -1;
  const timer =
    notifier.watchdogEveryMs === null
      ? null
      : setInterval(() => {
          const { revision } = daemon.view();
          // A loop that stands still must look dead, whatever this timer says.
          if (revision !== seen) notifier.tell({ WATCHDOG: "1", STATUS: statusOf(daemon) });
          seen = revision;
        }, notifier.watchdogEveryMs);
  return {
    stopping() {
      if (timer !== null) clearInterval(timer);
      notifier.tell({ STOPPING: "1", STATUS: "Putting every domain back as it was found" });
    },
  };
}

function statusOf(daemon: Daemon): string {
  const { domains, problems } = daemon.view();
  const said = problems.length === 0 ? "no problems" : `${problems.length} problems: vbal status`;
  return `${domains.length} domains, ${said}`;
}
