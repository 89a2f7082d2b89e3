/** The domains: what each is due, what it has, what it does with it. Headers sort; a name opens the panel. */
import { signal } from "@preact/signals";
import type { DomainView, StateView } from "../protocol/state_view.ts";
import { hueOf, keyOf } from "./domain_colour.ts";
import { type Sums, sumsOf, worstMeasure } from "./domain_sums.ts";
import { count, pcpus, percent, quantity, UNKNOWN } from "./format.ts";
import { filter, selected } from "./live_state.ts";
import { openDomain } from "./route.ts";

interface Row {
  readonly domain: DomainView;
  readonly number: number;
  readonly sums: Sums;
}

interface Column {
  readonly id: string;
  readonly title: string;
  readonly about: string;
  readonly value: (row: Row) => number | string;
}

const COLUMNS: readonly Column[] = [
  { id: "name", title: "Domain", about: "As the hypervisor calls it", value: ({ number }) => number },
  {
    id: "weight",
    title: "Weight",
    about: "Its share against the others",
    value: ({ domain }) => domain.weight,
  },
  {
    id: "entitlement",
    title: "Entitled",
    about: "pCPUs that it is due by weight",
    value: ({ domain }) => domain.entitlementMilliPcpu ?? -1,
  },
  {
    id: "online",
    title: "vCPUs",
    about: "In use, of those that it should use, of those that it has",
    value: ({ domain }) => domain.online ?? -1,
  },
  { id: "run", title: "Run", about: "Of the pCPUs that its vCPUs have", value: ({ sums }) => sums.run ?? -1 },
  {
    id: "wait",
    title: "Wait",
    about: "Ready to run while the host ran something else",
    value: ({ sums }) => sums.wait ?? -1,
  },
  {
    id: "steal",
    title: "Steal",
    about: "The same as the guest was told",
    value: ({ sums }) => sums.steal ?? -1,
  },
  {
    id: "load",
    title: "Load",
    about: "The measure nearest to, or furthest over, its threshold",
    value: ({ domain }) => worstMeasure(domain)?.ratio ?? -1,
  },
  { id: "state", title: "State", about: "How the guest follows", value: ({ domain }) => domain.cooperation },
];

const order = signal<{ readonly column: string; readonly falling: boolean }>({
  column: "name",
  falling: false,
});

export function DomainTable({ state }: { state: StateView }) {
  const wanted = filter.value.trim().toLowerCase();
  const rows = state.domains
    .map((domain, number): Row => ({ domain, number, sums: sumsOf(domain) }))
    .filter(({ domain }) => domain.name.toLowerCase().includes(wanted));
  return (
    <section aria-labelledby="domains-title" class="card" id="domains">
      <div class="card-head">
        <h2 id="domains-title">Domains</h2>
        {FILTER_FROM <= state.domains.length ? (
          <input
            type="search"
            placeholder="Find a domain"
            aria-label="Find a domain"
            value={filter.value}
            onInput={(event) => {
              filter.value = event.currentTarget.value;
            }}
          />
        ) : null}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse */}
      <section class="scroll" tabIndex={0} aria-labelledby="domains-title">
        <table class="domains">
          <thead>
            <tr>
              {COLUMNS.map((column) => (
                <Header column={column} key={column.id} />
              ))}
            </tr>
          </thead>
          <tbody>
            {sorted(rows).map((row) => (
              <DomainRow row={row} key={row.domain.name} />
            ))}
          </tbody>
        </table>
        {rows.length === 0 ? <p class="faint">No domain's name holds “{filter.value}”.</p> : null}
      </section>
    </section>
  );
}

/** Fewer domains than this are found by looking. */
const FILTER_FROM = 8;

function Header({ column: { id, title, about } }: { column: Column }) {
  const { column, falling } = order.value;
  const sort = column === id ? (falling ? "descending" : "ascending") : "none";
  return (
    <th scope="col" aria-sort={sort} class={id === "name" || id === "state" ? "" : "numeric"}>
      <button
        type="button"
        title={about}
        onClick={() => {
          order.value = { column: id, falling: column === id ? !falling : id !== "name" };
        }}
      >
        {title}
        <span aria-hidden="true">{sort === "none" ? "" : falling ? " ↓" : " ↑"}</span>
      </button>
    </th>
  );
}

function DomainRow({ row: { domain, number, sums } }: { row: Row }) {
  const worst = worstMeasure(domain);
  const isOpen = domain.name === selected.value;
  return (
    <tr class={isOpen ? "is-open" : ""}>
      <th scope="row">
        <button
          type="button"
          class="name"
          aria-expanded={isOpen}
          onClick={() => openDomain(isOpen ? null : domain.name)}
        >
          <span class="key" style={{ "--hue": hueOf(number) }}>
            {keyOf(number)}
          </span>
          {domain.name}
        </button>
      </th>
      <td class="numeric">{domain.weight}</td>
      <td class="numeric">{domain.managed ? pcpus(domain.entitlementMilliPcpu) : UNKNOWN}</td>
      <td class="numeric">
        {vcpusText(domain)}
        <Loan domain={domain} />
      </td>
      <td class="numeric with-bar">
        {percent(sums.run)}
        <span class="bar" aria-hidden="true">
          <span style={{ width: `${Math.min(100, sums.run ?? 0)}%` }} />
        </span>
      </td>
      <td class={`numeric ${WAIT_SHOWN_FROM <= (sums.wait ?? 0) ? "is-high" : ""}`}>{percent(sums.wait)}</td>
      <td class="numeric">{percent(sums.steal)}</td>
      <td class={`numeric ${1 < (worst?.ratio ?? 0) ? "is-high" : ""}`} title={worst?.text ?? ""}>
        {worst === null ? UNKNOWN : `${quantity(worst.ratio)} ×`}
      </td>
      <td>
        <State domain={domain} />
      </td>
    </tr>
  );
}

/** A tenth of the time ready and not running is what people begin to notice. */
const WAIT_SHOWN_FROM = 10;

function vcpusText({ online, target, vcpus, managed }: DomainView): string {
  if (!managed) return `${count(online)} of ${vcpus.length}`;
  return online === target
    ? `${count(online)} of ${vcpus.length}`
    : `${count(online)} → ${count(target)} of ${vcpus.length}`;
}

function Loan({ domain: { loan } }: { domain: DomainView }) {
  if (loan === undefined || loan === 0) return null;
  return 0 < loan ? (
    <span class="tag" title={`${loan} beyond what its weight gives it, lent by others`}>
      +{loan}
    </span>
  ) : (
    <span class="tag" title={`${-loan} of its own are lent to others, until it asks for them`}>
      −{-loan}
    </span>
  );
}

export function State({ domain: { managed, cooperation, pending } }: { domain: DomainView }) {
  const said = managed ? cooperation : "not managed";
  const about = managed ? ABOUT[cooperation] : "vbal leaves it alone";
  return (
    <span class={`state state-${said.replace(" ", "-")}`} title={[about, ...pending].join("\n")}>
      {said}
      {pending.length === 0 ? "" : " …"}
    </span>
  );
}

const ABOUT: Readonly<Record<DomainView["cooperation"], string>> = {
  active: "It does as asked",
  stuck: "It has not followed for a while; the others no longer wait for it",
  uncooperative: "It has not followed for long: somebody should look",
  silent: "Its guest does not answer; it is pinned and asked nothing",
  paused: "Stopped by somebody; nothing is asked of it",
};

function sorted(rows: readonly Row[]): readonly Row[] {
  const { column, falling } = order.value;
  const { value } = COLUMNS.find(({ id }) => id === column)!;
  const sign = falling ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [left, right] = [value(a), value(b)];
    return (left < right ? -sign : right < left ? sign : 0) || a.number - b.number;
  });
}
