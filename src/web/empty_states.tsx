/** What the page shows when there is nothing to show yet, and what to do about it. */
import { useState } from "preact/hooks";
import type { StateView } from "../protocol/state_view.ts";
import type { Connection } from "./live_state.ts";
import { tryAgain } from "./live_state.ts";
import { setToken } from "./token.ts";

export function NothingYet({ connection }: { connection: Connection }) {
  if (connection.kind !== "lost") return <p class="starting">Asking the daemon…</p>;
  return (
    <main class="alone">
      <h1>The daemon does not answer</h1>
      <p>{connection.why}. It is tried again by itself; this page can stay open.</p>
      <p>
        On the host, <code>vbal status</code> says whether it runs and <code>vbal up</code> starts it.
      </p>
    </main>
  );
}

const WAYS: Readonly<Record<string, string>> = {
  qmp: "QEMU's monitor sockets",
  libvirt: "libvirt",
  simulated: "the description of a simulated host",
};

export function NoDomains({ state }: { state: StateView }) {
  return (
    <section class="card" id="domains" aria-labelledby="empty-title">
      <h2 id="empty-title">No domains</h2>
      <p>
        vbal looks for them through {WAYS[state.daemon.hypervisor] ?? state.daemon.hypervisor} and shows each
        as soon as it runs; nothing needs to be restarted.
      </p>
      <p>
        {state.daemon.configFile === null
          ? "No config file was given, so it looks where the hypervisor puts its sockets by default."
          : `Where it looks stands under “hypervisor” in ${state.daemon.configFile}.`}{" "}
        <code>vbal doctor</code> checks the host.
      </p>
    </section>
  );
}

export function TokenForm() {
  const [text, setText] = useState("");
  return (
    <main class="alone">
      <h1>vbal</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setToken(text.trim());
          tryAgain();
        }}
      >
        <label>
          Token
          <input
            type="password"
            autocomplete="off"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <button type="submit" disabled={text.trim() === ""}>
          Open
        </button>
      </form>
      <p class="faint">
        On the host, <code>vbal page</code> prints this page's address with a token in it.
      </p>
    </main>
  );
}
