/**
 * The kinds of value that a person may write in a file or on the command line. Each reads a friendly form into the
 * unit of the core, or names its rule and what to write instead.
 */
import { z } from "zod";
import { MILLI_PER_PCPU, type MilliPcpu, type Milliseconds, type PcpuId } from "../core/units.ts";
import { fitsSocketPath, SOCKET_PATH_BYTES_MAX } from "./socket_path.ts";

/** How one kind of value is read: `undefined` for what is refused, with the rule and the fix as sentences without full stop. */
export interface FieldKind<T> {
  readonly rule: string;
  readonly fix: string;
  readonly read: (value: unknown) => T | undefined;
}

/** The schema of a field of that kind. */
export function field<T>(what: FieldKind<T>): z.ZodType<T> {
  return z.unknown().transform((input, context) => {
    const value = what.read(input);
    if (value !== undefined) return value;
    context.issues.push({
      code: "custom",
      input,
      message: what.rule,
      params: { rule: what.rule, fix: what.fix },
    });
    return z.NEVER;
  });
}

/** A map that may be left empty (`domains:` with every line below it commented out). */
export function section<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z.preprocess((value) => value ?? {}, schema);
}

/** `none` (or an empty value) for "there is none", else the field itself. */
export function orNone<T>(what: FieldKind<T>): z.ZodType<T | null> {
  return field<T | null>({
    rule: what.rule,
    fix: `${what.fix}, or none`,
    read: (value) => (value === null || value === "none" ? null : what.read(value)),
  });
}

/** Linux numbers at most this many pCPUs on any architecture. */
export const PCPU_ID_MAX = 8191;

/** pCPU time: pCPUs with a fraction (1.5), or thousandths ("1500m"); whole thousandths only. */
export function readMilliPcpu(value: unknown): MilliPcpu | undefined {
  const milli =
    typeof value === "string" ? milliOfText(value) : typeof value === "number" ? value * MILLI_PER_PCPU : NaN;
  const rounded = Math.round(milli);
  // 1.1 * 1000 is not quite 1100: only a fraction finer than a thousandth is refused.
  const isWhole = Math.abs(milli - rounded) < 1e-6;
  return isWhole && 0 <= rounded && rounded <= (PCPU_ID_MAX + 1) * MILLI_PER_PCPU ? rounded : undefined;
}

function milliOfText(text: string): number {
  const milli = /^(\d+)m$/.exec(text);
  if (milli !== null) return Number(milli[1]);
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) * MILLI_PER_PCPU : NaN;
}

export function readInteger(range: {
  readonly min: number;
  readonly max: number;
}): (value: unknown) => number | undefined {
  return (value) =>
    typeof value === "number" && Number.isInteger(value) && range.min <= value && value <= range.max
      ? value
      : undefined;
}

/** Longer than any patience; it keeps timers within what every runtime can count. */
const DURATION_MAX_MS = 24 * 60 * 60 * 1000;

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

/** "500ms", "5s", "1.5s", "2min", "1h": above zero, whole milliseconds, a day at most. */
export function readDuration(value: unknown): Milliseconds | undefined {
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?) ?(ms|s|min|h)$/.exec(value) : null;
  if (match === null) return undefined;
  const ms = Number(match[1]) * MS_PER_UNIT[match[2]!]!;
  return Number.isInteger(ms) && 1 <= ms && ms <= DURATION_MAX_MS ? ms : undefined;
}

export function duration(): z.ZodType<Milliseconds> {
  return field({
    rule: "A duration is above zero, at most 24h, and carries its unit",
    fix: "Write it as in 500ms, 5s or 2min",
    read: readDuration,
  });
}

const BYTES_PER_UNIT: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** "64MiB" or a whole number of bytes. */
export function readBytes(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : undefined;
  const match = typeof value === "string" ? /^(\d+) ?(KiB|MiB|GiB)$/.exec(value) : null;
  if (match === null) return undefined;
  const bytes = Number(match[1]) * BYTES_PER_UNIT[match[2]!]!;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** [0, 1, 9], "0-1,9" or 9, ascending; each pCPU once. */
export function readPcpuList(value: unknown): readonly PcpuId[] | undefined {
  const ids = typeof value === "string" ? idsOfText(value) : typeof value === "number" ? [value] : value;
  if (!Array.isArray(ids) || ids.length === 0) return undefined;
  const isId = readInteger({ min: 0, max: PCPU_ID_MAX });
  if (!ids.every((id) => isId(id) !== undefined)) return undefined;
  const sorted = (ids as number[]).toSorted((a, b) => a - b);
  return new Set(sorted).size === sorted.length ? sorted : undefined;
}

function idsOfText(text: string): number[] | undefined {
  const ids: number[] = [];
  for (const part of text.split(",")) {
    const match = /^\s*(\d{1,4})(?:-(\d{1,4}))?\s*$/.exec(part);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first) return undefined;
    for (let id = first; id <= last; id++) ids.push(id);
  }
  return ids;
}

export const PCPU_LIST: FieldKind<readonly PcpuId[]> = {
  rule: `pCPUs are numbers from 0 to ${PCPU_ID_MAX}, each named once`,
  fix: 'Write a list as in [0, 1, 2, 9], or ranges as in "0-2,9"',
  read: readPcpuList,
};

/** One of a closed set of words. */
export function word<const W extends string>(words: readonly W[]): z.ZodType<W> {
  return field({
    rule: "One of a few words must stand here",
    fix: `Write ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
    read: (value) => words.find((known) => known === value),
  });
}

export function yesNo(): z.ZodType<boolean> {
  return field({
    rule: "true or false must stand here",
    fix: "Write true or false",
    read: (value) => (typeof value === "boolean" ? value : undefined),
  });
}

/** The longest name that libvirt and QEMU users give; it bounds a line on a terminal. */
const NAME_CHARACTERS_MAX = 128;

/** A domain's name may hold what libvirt allows, spaces too, but nothing that would break a line or a path. */
export function readName(value: unknown): string | undefined {
  const text = typeof value === "number" ? String(value) : value;
  return typeof text === "string" &&
    text.length <= NAME_CHARACTERS_MAX &&
    /^(?! )[^/\p{C}]+(?<! )$/u.test(text)
    ? text
    : undefined;
}

export const NAME: FieldKind<string> = {
  rule: `A domain's name has 1 to ${NAME_CHARACTERS_MAX} characters, no / in it and no space at its ends`,
  fix: "Write the name that the hypervisor shows",
  read: readName,
};

export function path(kind: "file" | "socket"): z.ZodType<string> {
  return field({
    rule:
      kind === "socket"
        ? `A socket's path has 1 to ${SOCKET_PATH_BYTES_MAX} bytes`
        : "A path must stand here",
    fix: "Write a path; a relative one starts at this file's folder",
    read: (value) =>
      typeof value === "string" &&
      value !== "" &&
      !value.includes("\0") &&
      (kind === "file" || fitsSocketPath(value))
        ? value
        : undefined,
  });
}
