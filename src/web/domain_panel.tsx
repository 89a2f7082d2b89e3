/** One domain in full: its vCPUs, why it has what it has, its load against thresholds, its requests, and the form. */
import { useEffect, useRef } from "preact/hooks";
import type { DomainView, StateView, VcpuView } from "../protocol/state_view.ts";
import { hueOf, keyOf } from "./domain_colour.ts";
import { State } from "./domain_table.tsx";
import { clockTime, counted, pcpus, percent, ranges, UNKNOWN } from "./format.ts";
import { HistoryChart } from "./history_chart.tsx";
import { domainNumbers } from "./live_state.ts";
import { LoadTable } from "./load_table.tsx";
import { Fate, requestText } from "./messages.tsx";
import { PolicyForm } from "./policy_form.tsx";
import { openDomain } from "./route.ts";

export function DomainPanel({ state, name }: { state: StateView; name: string }) {
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => head.current?.focus(), [name]);
  const domain = state.domains.find((other) => other.name === name);
  const close = (): void => openDomain(null);
  return (
    <aside
      class="panel"
      aria-labelledby="panel-title"
      onKeyDown={(event) => {
        if (event.key === "Escape") close();
      }}
    >
      <div class="panel-head">
        <h2 id="panel-title" tabIndex={-1} ref={head}>
          {domain === undefined ? null : (
            <span class="key" style={{ "--hue": hueOf(domainNumbers.value.get(name) ?? 0) }}>
              {keyOf(domainNumbers.value.get(name) ?? 0)}
            </span>
          )}
          {name}
        </h2>
        <button type="button" class="close" onClick={close}>
          Close
        </button>
      </div>
      {domain === undefined ? (
        <p>This domain is not on the host now. When it comes back, it is shown here.</p>
      ) : (
        <Details domain={domain} key={name} />
      )}
    </aside>
  );
}

function Details({ domain }: { domain: DomainView }) {
  const { reasons, requests = [], load, sharesWith, pending } = domain;
  return (
    <>
      <dl class="figures">
        <Figure term="Weight" value={String(domain.weight)} />
        <Figure term="Entitled to" value={counted(pcpus(domain.entitlementMilliPcpu), "pCPU")} />
        <Figure
          term="Should use"
          value={domain.target === null ? UNKNOWN : counted(String(domain.target), "vCPU")}
        />
        <Figure
          term="Uses"
          value={domain.online === null ? UNKNOWN : `${domain.online} of ${domain.vcpus.length}`}
        />
        <div>
          <dt>State</dt>
          <dd>
            <State domain={domain} />
          </dd>
        </div>
        <Figure term="Agent" value={domain.guestAgent ?? "none"} />
      </dl>
      {sharesWith.length === 0 ? null : <p>Shares pCPUs with {sharesWith.join(", ")}.</p>}
      {pending.length === 0 ? null : (
        <List title="Under way">
          {pending.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </List>
      )}
      <List title="Why it is so">
        {reasons.length === 0 ? <li class="faint">It is not planned.</li> : null}
        {reasons.map(({ text }) => (
          <li key={text}>{text}</li>
        ))}
      </List>
      <section>
        <h3>vCPUs</h3>
        <VcpuTable vcpus={domain.vcpus} />
      </section>
      <section>
        <h3>Load against thresholds</h3>
        {load === undefined ? (
          <p class="faint">
            {domain.guestAgent === "vbal-agent"
              ? "Its load monitor is off, or has said nothing yet."
              : "Only vbal's own agent has a load monitor."}
          </p>
        ) : (
          <LoadTable domain={domain} load={load} />
        )}
      </section>
      {requests.length === 0 ? null : (
        <section>
          <h3>Its requests</h3>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse */}
          <ul class="feed" tabIndex={0}>
            {requests.toReversed().map((request) => (
              <li key={`${request.id} ${request.atMs}`}>
                <time>{clockTime(request.atMs)}</time>
                <span>
                  {requestText(request)} <Fate request={request} />
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
      <section>
        <h3>History</h3>
        <HistoryChart domain={domain.name} />
      </section>
      <PolicyForm domain={domain} />
    </>
  );
}

function Figure({ term, value }: { term: string; value: string }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function List({ title, children }: { title: string; children: preact.ComponentChildren }) {
  return (
    <section>
      <h3>{title}</h3>
      <ul>{children}</ul>
    </section>
  );
}

function VcpuTable({ vcpus }: { vcpus: readonly VcpuView[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse
    <section class="scroll" tabIndex={0} aria-label="vCPUs">
      <table>
        <thead>
          <tr>
            <th scope="col">vCPU</th>
            <th scope="col">In use</th>
            <th scope="col">May run on</th>
            <th scope="col">Ran last on</th>
            <th scope="col" class="numeric">
              Run
            </th>
            <th scope="col" class="numeric">
              Wait
            </th>
            <th scope="col" class="numeric">
              Steal
            </th>
          </tr>
        </thead>
        <tbody>
          {vcpus.map(({ index, online, pcpus: pins, lastPcpu, runPercent, waitPercent, stealPercent }) => (
            <tr key={index} class={online === false ? "faint" : ""}>
              <th scope="row">{index}</th>
              <td>{online === null ? UNKNOWN : online ? "yes" : "no"}</td>
              <td>{ranges(pins)}</td>
              <td>{lastPcpu ?? UNKNOWN}</td>
              <td class="numeric">{percent(runPercent)}</td>
              <td class="numeric">{percent(waitPercent)}</td>
              <td class="numeric">{percent(stealPercent)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
