/**
 * What the guest's load monitor measures, against what would make it ask for a vCPU (P-57 to P-61), and the form in
 * which the host's thresholds are written (P-59). A threshold that the host does not set is the guest's own.
 */
import { useState } from "preact/hooks";
import type { LoadView, MeasureView } from "../protocol/state_view.ts";
import { setThreshold } from "./api.ts";
import { subjectText } from "./domain_sums.ts";
import { quantity, UNKNOWN } from "./format.ts";

export function LoadTable({ load, name }: { load: LoadView; name: string }) {
  const [all, setAll] = useState(false);
  const shown = all ? load.measures : load.measures.filter(({ threshold }) => threshold !== null);
  return (
    <>
      {load.degraded.map((text) => (
        <p class="warn" key={text}>
          {text}
        </p>
      ))}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse */}
      <section class="scroll" tabIndex={0} aria-label="Measures">
        <table>
          <thead>
            <tr>
              <th scope="col">Measure</th>
              <th scope="col" class="numeric">
                Highest
              </th>
              <th scope="col">Threshold</th>
              <th scope="col">From</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((measure) => (
              <MeasureRow measure={measure} name={name} key={measure.measure} />
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

function MeasureRow({ measure, name }: { measure: MeasureView; name: string }) {
  const { threshold, origin, unit } = measure;
  const [text, setText] = useState<string | null>(null);
  const [said, setSaid] = useState("");
  const highest = highestOf(measure);
  const exceeds = threshold !== null && highest !== null && threshold < highest.value;
  const save = async (value: number | null | "default"): Promise<void> => {
    const outcome = await setThreshold(name, measure.measure, value);
    setSaid(outcome.ok ? "" : outcome.why);
    if (outcome.ok) setText(null);
  };
  return (
    <tr>
      <th scope="row">{measure.measure}</th>
      <td class={`numeric ${exceeds ? "is-high" : ""}`}>
        {highest === null ? UNKNOWN : quantity(highest.value)} <span class="faint">{unit}</span>
        {highest === null ? null : <span class="faint">{subjectText(measure, highest.place)}</span>}
      </td>
      <td>
        <form
          class="inline"
          onSubmit={(event) => {
            event.preventDefault();
            const value = (text ?? "").trim();
            void save(value === "" ? null : Number(value));
          }}
        >
          <input
            inputMode="decimal"
            pattern="[0-9]*([.][0-9]+)?"
            title="A number from 0 up; empty for none"
            aria-label={`Threshold of ${measure.measure}`}
            placeholder="none"
            value={text ?? (threshold === null ? "" : String(threshold))}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          {text === null ? null : <button type="submit">Set</button>}
          {origin === "host" && text === null ? (
            <button type="button" class="link" onClick={() => void save("default")}>
              Reset
            </button>
          ) : null}
        </form>
        {said === "" ? null : (
          <p class="warn" role="alert">
            {said}
          </p>
        )}
      </td>
      <td class="faint">{ORIGINS[origin ?? "none"]}</td>
    </tr>
  );
}

const ORIGINS: Readonly<Record<string, string>> = {
  default: "agent's default",
  file: "guest's file",
  host: "host",
  other: "elsewhere",
  none: UNKNOWN,
};

function highestOf({ values }: MeasureView): { readonly value: number; readonly place: number } | null {
  let highest: { value: number; place: number } | null = null;
  values.forEach((value, place) => {
    if (value !== null && (highest === null || highest.value < value)) highest = { value, place };
  });
  return highest;
}
