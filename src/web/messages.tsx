/** What is not as it should be, what guests asked for, and what happened of late. */
import type { NoteView, ProblemView, RequestView, StateView } from "../protocol/state_view.ts";
import { clockTime, quantity, UNKNOWN } from "./format.ts";
import { openDomain } from "./route.ts";

export function Problems({
  problems,
  configProblem,
}: {
  problems: readonly ProblemView[];
  configProblem: string | null;
}) {
  const all = configProblem === null ? problems : [{ domain: null, message: configProblem }, ...problems];
  if (all.length === 0) return null;
  return (
    <section class="card problems" aria-labelledby="problems-title">
      <h2 id="problems-title">{all.length === 1 ? "One problem" : `${all.length} problems`}</h2>
      <ul>
        {all.map(({ domain, message }) => (
          <li key={`${domain} ${message}`}>
            {domain === null ? null : <DomainLink name={domain} />} {message}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Requests({ state }: { state: StateView }) {
  const requests = state.domains
    .flatMap(({ name, requests: own }) => (own ?? []).map((request) => ({ name, request })))
    .toSorted((a, b) => b.request.atMs - a.request.atMs)
    .slice(0, REQUESTS_SHOWN_MAX);
  return (
    <section class="card" aria-labelledby="requests-title">
      <h2 id="requests-title">Requests</h2>
      {requests.length === 0 ? (
        <p class="faint">
          No guest has asked for a vCPU yet. A guest asks when a measure stays over its threshold.
        </p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse
        <ul class="feed" tabIndex={0}>
          {requests.map(({ name, request }) => (
            <li key={`${name} ${request.id} ${request.atMs}`}>
              <time>{clockTime(request.atMs)}</time>
              <span>
                <DomainLink name={name} /> {requestText(request)} <Fate request={request} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

const REQUESTS_SHOWN_MAX = 12;

export function requestText({ origin, exceeded, node }: RequestView): string {
  const where = node === null ? "" : ` in node ${node}`;
  if (origin === "administrator" || exceeded === null) return `one more vCPU${where}, asked for by a person.`;
  const { measure, value, threshold } = exceeded;
  return `one more vCPU${where}: ${measure} at ${quantity(value)}, threshold ${quantity(threshold)}.`;
}

export function Fate({
  request: { fate, vcpu, why, answeredAtMs, onlineAtMs, atMs },
}: {
  request: RequestView;
}) {
  const took = answeredAtMs === null ? null : `answered after ${Math.max(0, answeredAtMs - atMs)} ms`;
  const online = onlineAtMs === null ? null : `online after ${Math.max(0, onlineAtMs - atMs)} ms`;
  const facts = [took, online].filter((fact) => fact !== null).join(", ");
  return (
    <>
      <span class={`fate fate-${fate}`}>{fate === "granted" ? `granted vCPU ${vcpu ?? UNKNOWN}` : fate}</span>{" "}
      {why} {facts === "" ? null : <span class="faint">({facts})</span>}
    </>
  );
}

export function Notes({ notes }: { notes: readonly NoteView[] }) {
  return (
    <section class="card" aria-labelledby="notes-title">
      <h2 id="notes-title">What happened</h2>
      {notes.length === 0 ? (
        <p class="faint">Nothing yet.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse
        <ol class="feed" reversed tabIndex={0}>
          {notes.toReversed().map(({ atMs, text }, place) => (
            <li key={notes.length - place}>
              <time>{clockTime(atMs)}</time>
              <span>{text}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function DomainLink({ name }: { name: string }) {
  return (
    <button type="button" class="link" onClick={() => openDomain(name)}>
      {name}
    </button>
  );
}
