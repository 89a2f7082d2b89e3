/** Who is speaking, in which mode, and whether it still does. */

import type { StateView } from "../protocol/state_view.ts";
import { clockTime, span } from "./format.ts";
import type { Connection } from "./live_state.ts";
import { chooseTheme, type Theme, theme } from "./theme.ts";

export function Header({ state, connection }: { state: StateView; connection: Connection }) {
  const { daemon, host, domains } = state;
  const pool = host.pcpus.filter(({ inPool }) => inPool).length;
  return (
    <header class="top">
      <h1>vbal</h1>
      <p class="facts">
        <span>
          <b>{domains.length}</b> {domains.length === 1 ? "domain" : "domains"} on <b>{pool}</b> pCPUs
          {pool === host.pcpus.length ? "" : ` of ${host.pcpus.length}`}
        </span>
        <Mode mode={daemon.mode} />
        <span class="faint">
          {daemon.hypervisor}, up {span(daemon.uptimeMs)}, version {daemon.version}
        </span>
      </p>
      <ConnectionSign connection={connection} atMs={state.atMs} />
      <label class="theme">
        <span class="hidden">Colours</span>
        <select value={theme.value} onChange={(event) => chooseTheme(event.currentTarget.value as Theme)}>
          <option value="system">As the system</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
      </label>
    </header>
  );
}

function Mode({ mode }: { mode: string }) {
  const said = MODES[mode];
  return (
    <span class={`mode mode-${mode}`} title={said}>
      {mode}
    </span>
  );
}

const MODES: Readonly<Record<string, string>> = {
  controlling: "Every difference between plan and host is acted upon",
  observing: "Nothing is changed; the page shows what would be done",
  paused: "Maintenance: nothing is changed until somebody resumes",
  releasing: "Stopping: everything is put back as it was found",
};

function ConnectionSign({ connection, atMs }: { connection: Connection; atMs: number }) {
  const lost = connection.kind === "lost";
  return (
    <p class={lost ? "connection is-lost" : "connection"} role="status">
      <span class="lamp" aria-hidden="true" />
      {lost
        ? `No word from the daemon since ${clockTime(atMs)}: ${connection.why}. Trying again.`
        : connection.kind === "live"
          ? "live"
          : "connecting"}
    </p>
  );
}
