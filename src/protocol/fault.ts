/**
 * What is wrong in a file that a person wrote, with the place to look at.
 * All faults of a file are reported together, in the order of the file.
 */
export interface Fault {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** The field, as in `domains.web.cap`; empty for the file as a whole. */
  readonly path: string;
  /** A sentence without its full stop. */
  readonly rule: string;
  /** What stands there, as short text; empty when nothing does. */
  readonly value: string;
  /** What to do, a sentence without its full stop. */
  readonly fix: string;
}

/** A way into a value: keys of maps and indexes of lists. */
export type FieldPath = readonly (string | number)[];

/** One line in the form that compilers use, so that editors can jump to it. */
export function renderFault(fault: Fault): string {
  const field = fault.path === "" ? "" : `${fault.path}: `;
  const value = fault.value === "" ? "" : `, not ${fault.value}`;
  return `${fault.file}:${fault.line}:${fault.column}: ${field}${fault.rule}${value}. ${fault.fix}`;
}

/** `["domains", "web", "vcpus", 0]` as `domains.web.vcpus[0]`. */
export function renderPath(path: FieldPath): string {
  return path.reduce<string>(
    (text, step) => (typeof step === "number" ? `${text}[${step}]` : text === "" ? step : `${text}.${step}`),
    "",
  );
}

/** Longer values are cut: a message is one line on a terminal. */
const VALUE_CHARACTERS_MAX = 40;

/** A value of a file, which is plain data, as it is quoted in a message. */
export function renderValue(value: unknown): string {
  if (value === undefined) return "";
  const text = JSON.stringify(value);
  return text.length <= VALUE_CHARACTERS_MAX ? text : `${text.slice(0, VALUE_CHARACTERS_MAX)}…`;
}
