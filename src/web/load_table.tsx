/**
 * What the guest's load monitor measures, against what would make it ask for a vCPU (P-57 to P-61), and the form in
 * which the host's thresholds are written (P-59). A threshold that the host does not set is the guest's own.
 */
import { useState } from "preact/hooks";
import type { DomainView, LoadView, MeasureView } from "../protocol/state_view.ts";
import { setThreshold } from "./api.ts";
import { subjectText } from "./domain_sums.ts";
import { quantity, UNKNOWN } from "./format.ts";
import { numberOr } from "./policy_change.ts";
import { type HostThreshold, isWatched, originText, standing } from "./threshold.ts";

export function LoadTable({ domain, load }: { domain: DomainView; load: LoadView }) {
  const [all, setAll] = useState(false);
  const ofHost = domain.monitor?.thresholds ?? {};
  const shown = all ? load.measures : load.measures.filter((each) => isWatched(each, ofHost[each.measure]));
  return (
    <>
      {load.degraded.map((text) => (
        <p class="warn" key={text}>
          {text}
        </p>
      ))}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse */}
      <section class="scroll" tabIndex={0} aria-label="Measures">
        <table class="measures">
          <thead>
            <tr>
              <th scope="col">Measure</th>
              <th scope="col" class="numeric">
                Highest
              </th>
              <th scope="col">Threshold</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((measure) => (
              <MeasureRow
                measure={measure}
                host={ofHost[measure.measure]}
                name={domain.name}
                key={measure.measure}
              />
            ))}
          </tbody>
        </table>
      </section>
      <button type="button" class="link" aria-expanded={all} onClick={() => setAll(!all)}>
        {all ? "Only those with a threshold" : `All ${load.measures.length} measures`}
      </button>
    </>
  );
}

interface RowProps {
  readonly measure: MeasureView;
  readonly host: HostThreshold;
  readonly name: string;
}

/** Nothing is sent while a value is typed; what the daemon says against it stands below until it is typed anew. */
function MeasureRow({ measure, host, name }: RowProps) {
  const [text, setText] = useState<string | null>(null);
  const [said, setSaid] = useState("");
  const { threshold, unit } = measure;
  const highest = highestOf(measure);
  const exceeds = threshold !== null && highest !== null && threshold < highest.value;
  const type = (typed: string | null): void => {
    setText(typed);
    setSaid("");
  };
  const save = async (value: number | string): Promise<void> => {
    const outcome = await setThreshold(name, measure.measure, value);
    setSaid(outcome.ok ? "" : outcome.why);
    if (outcome.ok) setText(null);
  };
  const { value } = standing(measure, host);
  return (
    <>
      <tr>
        <th scope="row">{measure.measure}</th>
        <td class={`numeric ${exceeds ? "is-high" : ""}`}>
          {highest === null ? UNKNOWN : quantity(highest.value)} <span class="faint">{unit}</span>
          {highest === null ? null : <div class="faint">{subjectText(measure, highest.place)}</div>}
        </td>
        <td>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void save(numberOr(text ?? "", "none"));
            }}
          >
            <input
              inputMode="decimal"
              title="In the measure's unit; empty: not watched"
              aria-label={`Threshold of ${measure.measure}`}
              aria-invalid={said !== ""}
              placeholder="none"
              value={text ?? (value === null ? "" : String(value))}
              onInput={(event) => type(event.currentTarget.value)}
            />
            {text === null ? (
              <Origin measure={measure} host={host} onReset={() => void save("default")} />
            ) : (
              <div class="below">
                <button type="submit">Set</button>
                <button type="button" class="link" onClick={() => type(null)}>
                  Undo
                </button>
              </div>
            )}
          </form>
        </td>
      </tr>
      {said === "" ? null : (
        <tr>
          <td class="warn said" colSpan={3}>
            <p role="alert">{said}</p>
          </td>
        </tr>
      )}
    </>
  );
}

interface OriginProps {
  readonly measure: MeasureView;
  readonly host: HostThreshold;
  readonly onReset: () => void;
}

function Origin({ measure, host, onReset }: OriginProps) {
  return (
    <div class="below">
      <span class="faint">{originText(measure, host)}</span>
      {host === undefined ? null : (
        <button
          type="button"
          class="link"
          title="Back to what the config file says, else to the guest's own"
          onClick={onReset}
        >
          Reset
        </button>
      )}
    </div>
  );
}

function highestOf({ values }: MeasureView): { readonly value: number; readonly place: number } | null {
  let highest: { value: number; place: number } | null = null;
  values.forEach((value, place) => {
    if (value !== null && (highest === null || highest.value < value)) highest = { value, place };
  });
  return highest;
}
