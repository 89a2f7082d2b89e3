/** While vbal only observes, or is paused: what it would do now, so that a person can decide to let it. */
import type { StateView } from "../protocol/state_view.ts";

export function WouldDo({ state: { daemon, domains } }: { state: StateView }) {
  if (daemon.mode !== "observing" && daemon.mode !== "paused") return null;
  const wanted = domains.filter(({ pending }) => 0 < pending.length);
  return (
    <section class="card problems" aria-labelledby="would-title">
      <h2 id="would-title">
        {daemon.mode === "paused"
          ? "Paused: nothing is changed until somebody resumes"
          : "Observing: nothing is changed"}
      </h2>
      {wanted.length === 0 ? (
        <p>Every domain has what it should have; there is nothing to do.</p>
      ) : (
        <details open={wanted.length <= OPEN_MAX}>
          <summary>
            It would change {wanted.length} {wanted.length === 1 ? "domain" : "domains"} now
          </summary>
          <dl class="would">
            {wanted.map(({ name, pending }) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{pending.join(". ")}.</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
      {daemon.mode === "observing" ? (
        <p class="faint">
          To let it, set <code>mode: enforce</code>{" "}
          {daemon.configFile === null ? "in a config file" : `in ${daemon.configFile}`}.
        </p>
      ) : null}
    </section>
  );
}

/** More domains than these would push the map off the screen. */
const OPEN_MAX = 6;
