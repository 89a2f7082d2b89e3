/**
 * YAML 1.2 (and so JSON) text as a plain value that remembers where each part stood.
 * Bounded: a file above `TEXT_CHARACTERS_MAX`, or one that unfolds aliases without end, is a fault.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import type { Fault, FieldPath } from "./fault.ts";

export interface LocatedYaml {
  readonly file: string;
  readonly value: unknown;
  /** Where the value at `path` stands; for a field that is absent, the nearest part around it. */
  locate(path: FieldPath): Place;
  /** Where the key of the field at `path` stands. */
  locateKey(path: FieldPath): Place;
}

/** Both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Far above any file that a person writes; it bounds the memory that a wrong path can cost. */
const TEXT_CHARACTERS_MAX = 4 * 1024 * 1024;

export function parseLocatedYaml(source: {
  readonly file: string;
  readonly text: string;
}): LocatedYaml | Fault[] {
  const { file, text } = source;
  if (text.length > TEXT_CHARACTERS_MAX) {
    return [
      wholeFile(
        file,
        `A file has at most ${TEXT_CHARACTERS_MAX} characters, not ${text.length}`,
        "Split or correct the file",
      ),
    ];
  }
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, { version: "1.2", lineCounter: lines, prettyErrors: false });
    const faults = [...document.errors, ...document.warnings].map((error) => {
      const { line, col } = lines.linePos(error.pos[0]);
      return {
        file,
        line,
        column: col,
        path: "",
        rule: yamlRule(error),
        value: "",
        fix: yamlFix(error.code),
      };
    });
    if (faults.length > 0) return faults;
    const place = (offset: number): Place => {
      const { line, col } = lines.linePos(offset);
      return { line: Math.max(line, 1), column: Math.max(col, 1) };
    };
    return {
      file,
      value: document.toJS() as unknown,
      locate: (path) => place(offsetOf(document, path, "value")),
      locateKey: (path) => place(offsetOf(document, path, "key")),
    };
  } catch (error) {
    // The parser throws on alias bombs and on nesting deeper than the stack.
    return [wholeFile(file, `Not readable as YAML: ${String(error)}`, "Use fewer aliases or less nesting")];
  }
}

function wholeFile(file: string, rule: string, fix: string): Fault {
  return { file, line: 1, column: 1, path: "", rule, value: "", fix };
}

function yamlRule(error: { readonly code: string; readonly message: string }): string {
  if (error.code === "DUPLICATE_KEY") return "A key stands only once in a map";
  if (error.code === "MULTIPLE_DOCS") return "A file holds one YAML document";
  if (error.code === "BAD_INDENT") return "A bracket stays open, or the indentation does not fit";
  return `Not valid YAML: ${error.message.replace(/\.$/, "")}`;
}

function yamlFix(code: string): string {
  switch (code) {
    case "DUPLICATE_KEY":
      return "Remove one of the two";
    case "TAB_AS_INDENT":
      return "Indent with spaces";
    case "MULTIPLE_DOCS":
      return "Remove the line `---` and what follows";
    case "BAD_INDENT":
      return "Close every bracket, and indent the fields of one map alike";
    default:
      return "Correct the line, or put the text in quotes";
  }
}

function offsetOf(document: Document.Parsed, path: FieldPath, part: "key" | "value"): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (pair === undefined) return offset;
      const keyStart = startOf(pair.key) ?? offset;
      const isEmpty = pair.value === null || (isScalar(pair.value) && pair.value.source === "");
      offset =
        (part === "key" && depth === path.length - 1) || isEmpty
          ? keyStart
          : (startOf(pair.value) ?? keyStart);
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = startOf(node) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}
