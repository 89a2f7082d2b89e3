/**
 * The style as a test: what STYLE.md says and a machine can check. Each message says where and what to do.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
/** From the bottom up: a layer may import itself and what stands before it. */
const LAYERS = [
  "core",
  "protocol",
  "hypervisor",
  "agent",
  "sim",
  "study",
  "daemon",
  "lab",
  "bench",
  "fleet",
  "web",
  "cli",
];
/** These import nothing but their own layers. */
const DEPENDENCY_FREE = ["core", "agent"];
const FILE_LINES_MAX = 450;
const LINE_LENGTH_MAX = 160;
const TEST_FILE = /(\.test|_suite)\.ts$/;

interface Source {
  readonly path: string;
  readonly layer: string;
  readonly text: string;
  readonly isTest: boolean;
}

const sources = readSources(join(ROOT, "src"));

describe("tidy", () => {
  test("the checks see the project's files", () => {
    expect(sources.length).toBeGreaterThan(40);
  });

  test("imports point downwards only", () => {
    expect(sources.flatMap(upwardImports)).toEqual([]);
  });

  test("core and agent depend on nothing", () => {
    expect(sources.flatMap(foreignImports)).toEqual([]);
  });

  test("no clock, no randomness and no timer where decisions and models live", () => {
    const banned = /\b(Date\.now|new Date|performance\.now|Math\.random|setTimeout|setInterval)\b/;
    const pure = sources.filter(({ layer, isTest }) => ["core", "protocol"].includes(layer) && !isTest);
    expect(pure.flatMap((source) => matches(source, banned, "pass time or a seed as an argument"))).toEqual(
      [],
    );
  });

  test("files are small, and lines fit a screen", () => {
    const long = sources
      .filter(({ text, isTest }) => !isTest && FILE_LINES_MAX < text.split("\n").length)
      .map(({ path }) => `${path}: more than ${FILE_LINES_MAX} lines; is it still one idea?`);
    const wide = sources.flatMap(({ path, text }) =>
      text.split("\n").flatMap((line, at) => {
        // A sentence for people stays in one string; the formatter does not break it, and neither do we.
        const code = line.replace(/(["'`])(?:\\.|(?!\1).)*\1/g, "").replace(/^[^`]*`[^`]*$/, "");
        return code.length <= LINE_LENGTH_MAX
          ? []
          : [`${path}:${at + 1}: lines end at ${LINE_LENGTH_MAX} columns`];
      }),
    );
    expect([...long, ...wide]).toEqual([]);
  });

  test("files are named in snake_case, and not utils, helpers or managers", () => {
    const bad = sources
      .filter(
        ({ path }) =>
          !/^[a-z0-9_]+(\.[a-z]+)?(\.test)?(\.d)?\.tsx?$/.test(path.split("/").at(-1) ?? "") ||
          /util|helper|manager|handler/i.test(path),
      )
      .map(({ path }) => `${path}: name the file after its main export, in snake_case`);
    expect(bad).toEqual([]);
  });

  test("nothing is left open, and no test is switched off", () => {
    const banned = /\b(TODO|FIXME|XXX|HACK)\b|\b(it|test|describe)\.(skip|only|todo)\b/;
    const others = sources.filter(({ path }) => !path.endsWith("tidy.test.ts"));
    expect(others.flatMap((source) => matches(source, banned, "finish it"))).toEqual([]);
  });

  test("every file of code says what it is for", () => {
    const silent = sources
      .filter(({ text, isTest }) => !isTest && !text.includes("/**") && 15 < text.split("\n").length)
      .map(({ path }) => `${path}: give its main export a docstring`);
    expect(silent).toEqual([]);
  });
});

function readSources(folder: string): Source[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name): Source[] => {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) return readSources(path);
      if (!/\.tsx?$/.test(name)) return [];
      const fromRoot = relative(ROOT, path);
      const layer = fromRoot.split("/")[1] ?? "";
      return [{ path: fromRoot, layer, text: readFileSync(path, "utf8"), isTest: TEST_FILE.test(name) }];
    });
}

function importsOf({ text }: Source): string[] {
  return [...text.matchAll(/(?:^|\n)\s*(?:import|export)[^;]*?from\s+"([^"]+)"|import\("([^"]+)"\)/g)].map(
    (match) => match[1] ?? match[2] ?? "",
  );
}

function upwardImports(source: Source): string[] {
  // A test of the whole may look anywhere; its layer is only where it lies.
  if (source.isTest) return [];
  return importsOf(source)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => join(dirname(source.path), specifier).split("/")[1] ?? "")
    .filter((target) => LAYERS.indexOf(source.layer) < LAYERS.indexOf(target))
    .map((target) => `${source.path}: ${source.layer} must not import ${target}, which stands above it`);
}

function foreignImports(source: Source): string[] {
  if (source.isTest || !DEPENDENCY_FREE.includes(source.layer)) return [];
  const platform =
    source.layer === "agent" && /platform|main|node\//.test(source.path)
      ? /^(node:|std$|os$|switch_cost$|read_text$|cpu_time$|queue_watch$)/
      : /^$/;
  return importsOf(source)
    .filter((specifier) => !specifier.startsWith(".") && !platform.test(specifier))
    .map((specifier) => `${source.path}: ${source.layer} depends on nothing, but imports ${specifier}`);
}

function matches({ path, text }: Source, pattern: RegExp, advice: string): string[] {
  return text
    .split("\n")
    .flatMap((line, i) =>
      pattern.test(line) ? [`${path}:${i + 1}: ${advice}: ${line.trim().slice(0, 80)}`] : [],
    );
}
