/** The whole page: what is wrong first, then the host, its domains, what was asked and what happened. */
import { DomainPanel } from "./domain_panel.tsx";
import { DomainTable } from "./domain_table.tsx";
import { NoDomains, NothingYet, TokenForm } from "./empty_states.tsx";
import { Header } from "./header.tsx";
import { HostHistory } from "./host_history.tsx";
import { HostMap } from "./host_map.tsx";
import { connection, selected, view } from "./live_state.ts";
import { Notes, Problems, Requests } from "./messages.tsx";
import { WouldDo } from "./would_do.tsx";

export function App() {
  if (connection.value.kind === "denied") return <TokenForm />;
  const state = view.value;
  if (state === null) return <NothingYet connection={connection.value} />;
  return (
    <div class={connection.value.kind === "live" ? "app" : "app is-old"}>
      <a class="skip" href="#domains">
        Skip to the domains
      </a>
      <Header state={state} connection={connection.value} />
      <main class={selected.value === null ? "" : "has-panel"}>
        <div class="board">
          <WouldDo state={state} />
          <Problems problems={state.problems} configProblem={state.daemon.configProblem} />
          <HostMap state={state} />
          {state.domains.length === 0 ? <NoDomains state={state} /> : <DomainTable state={state} />}
          <Requests state={state} />
          <HostHistory />
          <Notes notes={state.notes} />
        </div>
        {selected.value === null ? null : <DomainPanel state={state} name={selected.value} />}
      </main>
    </div>
  );
}
