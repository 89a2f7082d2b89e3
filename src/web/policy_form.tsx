/**
 * The form in which an administrator changes what a domain is due (P-59). What a change would do to everybody is shown
 * before it is applied; nothing is sent while fields are typed.
 */
import { useState } from "preact/hooks";
import type { DomainView } from "../protocol/state_view.ts";
import { askForVcpu, changeDomain, type Outcome, preview } from "./api.ts";
import { differences } from "./plan_differences.ts";
import { changeOf, type Fields } from "./policy_change.ts";

export function PolicyForm({ domain }: { domain: DomainView }) {
  const [fields, setFields] = useState<Fields>({});
  const [would, setWould] = useState<readonly string[] | null>(null);
  const [said, setSaid] = useState<Said | null>(null);
  const change = changeOf(fields);
  const isEmpty = Object.keys(change).length === 0;

  const edit = (field: keyof Fields, value: string): void => {
    setFields({ ...fields, [field]: value });
    // What was shown belongs to other values.
    setWould(null);
    setSaid(null);
  };
  const look = async (): Promise<void> => {
    const seen = await preview(domain.name, change);
    if (seen.ok) setWould(differences(seen.value.before, seen.value.after));
    setSaid(seen.ok ? null : { kind: "bad", text: seen.why });
  };
  const apply = async (): Promise<void> => {
    const done = await changeDomain(domain.name, change);
    setSaid(spoken(done, "Applied. It stays over a restart of the daemon."));
    if (!done.ok) return;
    setFields({});
    setWould(null);
  };

  const ask = async (): Promise<void> => setSaid(spoken(await askForVcpu(domain.name), "Granted."));

  return (
    <section>
      <h3>Change what it is due</h3>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void (would === null ? look() : apply());
        }}
      >
        <div class="fields">
          <NumberField
            label="Weight"
            now={domain.weight}
            typed={fields.weight}
            onType={(text) => edit("weight", text)}
            hint="1 to 65535"
          />
          <NumberField
            label="Guaranteed pCPUs"
            now={domain.reservationMilliPcpu / 1_000}
            typed={fields.reservation}
            onType={(text) => edit("reservation", text)}
            hint="whatever the others do"
          />
          <NumberField
            label="At most pCPUs"
            now={domain.capMilliPcpu === null ? null : domain.capMilliPcpu / 1_000}
            typed={fields.cap}
            onType={(text) => edit("cap", text)}
            hint="empty: no limit"
          />
          <NumberField
            label="vCPUs, at least"
            now={domain.vcpusMin}
            typed={fields.vcpusMin}
            onType={(text) => edit("vcpusMin", text)}
          />
          <NumberField
            label="vCPUs, at most"
            now={domain.vcpusMax}
            typed={fields.vcpusMax}
            onType={(text) => edit("vcpusMax", text)}
            hint="empty: all it has"
          />
          <label>
            Managed by vbal
            <select
              value={fields.managed ?? String(domain.managed)}
              onChange={(event) => edit("managed", event.currentTarget.value)}
            >
              <option value="true">yes</option>
              <option value="false">no, leave it alone</option>
            </select>
          </label>
        </div>
        {would === null ? null : <Preview lines={would} />}
        <div class="buttons">
          <button type="submit" disabled={isEmpty}>
            {would === null ? "Show what it would change" : "Apply"}
          </button>
          <button
            type="button"
            disabled={isEmpty}
            onClick={() => {
              setFields({});
              setWould(null);
              setSaid(null);
            }}
          >
            Undo
          </button>
          <button
            type="button"
            onClick={() => void ask()}
            title="As an administrator of the guest would: one more vCPU now, if the host can give it"
          >
            Ask for one more vCPU
          </button>
        </div>
      </form>
      {said === null ? null : (
        <p class={said.kind === "bad" ? "warn" : ""} role="status">
          {said.text}
        </p>
      )}
    </section>
  );
}

interface Said {
  readonly kind: "good" | "bad";
  readonly text: string;
}

function spoken(outcome: Outcome<unknown>, good: string): Said {
  return outcome.ok ? { kind: "good", text: good } : { kind: "bad", text: outcome.why };
}

interface NumberFieldProps {
  readonly label: string;
  readonly now: number | null;
  readonly typed: string | undefined;
  readonly onType: (text: string) => void;
  readonly hint?: string;
}

function NumberField({ label, now, typed, onType, hint }: NumberFieldProps) {
  return (
    <label>
      {label}
      <input
        inputMode="decimal"
        value={typed ?? (now === null ? "" : String(now))}
        onInput={(event) => onType(event.currentTarget.value)}
      />
      {hint === undefined ? null : <span class="faint">{hint}</span>}
    </label>
  );
}

function Preview({ lines }: { lines: readonly string[] }) {
  return (
    <div class="preview" role="status">
      <p>If you apply it:</p>
      {lines.length === 0 ? (
        <p>Nothing changes for anybody now.</p>
      ) : (
        <ul>
          {lines.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      )}
    </div>
  );
}
