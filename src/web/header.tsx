/** Who is speaking, in which mode, and whether it still does. */

import { useState } from "preact/hooks";
import type { StateView } from "../protocol/state_view.ts";
import { setPaused } from "./api.ts";
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
      <PauseButton mode={daemon.mode} />
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

function Mode({ mode }: { mode: StateView["daemon"]["mode"] }) {
  const said = MODES[mode];
  return (
    <span class={`mode mode-${mode}`} title={said}>
      {mode}
    </span>
  );
}

const MODES: Readonly<Record<StateView["daemon"]["mode"], string>> = {
  controlling: "Every difference between plan and host is acted upon",
  observing: "Nothing is changed; the page shows what would be done",
  paused: "Maintenance: nothing is changed until somebody resumes",
  releasing: "Stopping: everything is put back as it was found",
};

/** Only an enforcing daemon can be paused; one that observes changes nothing anyway. */
function PauseButton({ mode }: { mode: StateView["daemon"]["mode"] }) {
  const [said, setSaid] = useState("");
  if (mode !== "controlling" && mode !== "paused") return null;
  const press = async (): Promise<void> => {
    const done = await setPaused(mode === "controlling");
    setSaid(done.ok ? "" : done.why);
  };
  return (
    <p class="pause">
      <button type="button" onClick={() => void press()}>
        {mode === "paused" ? "Resume" : "Pause"}
      </button>
      {said === "" ? null : (
        <span class="warn" role="alert">
          {said}
        </span>
      )}
    </p>
  );
}

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
