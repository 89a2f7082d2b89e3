import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// `unit` runs anywhere in seconds; `property` draws many cases, `sim` runs the simulator's worlds and the studies, a minute
// each; `lab` has real guests and a browser. Guests mostly wait, so three files at a time; `load` is those of them that
// measure how busy a guest is, which has to have the machine to itself.
const LOAD_FILES = ["src/lab/{asking,hostile_asking,monitor_channel,monitor_measures}.lab.test.ts"];
/** Begun last, one of these would run alone to the end; a fresh machine knows no times, and vitest goes by size. Longest first. */
const LONG_FILES = [
  "lab/qmp_contract.lab.test.ts",
  "web/page.browser.test.ts",
  "lab/libvirt_contract.lab.test.ts",
  "lab/attacks.lab.test.ts",
  "lab/libvirt.lab.test.ts",
  "lab/libvirt_story.lab.test.ts",
  "sim/swarm/seeds_1.test.ts",
  "sim/swarm/seeds_2.test.ts",
  "sim/swarm/seeds_3.test.ts",
  "sim/swarm/seeds_4.test.ts",
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = LONG_FILES.findIndex((file) => moduleId.endsWith(`/src/${file}`));
      return found === -1 ? LONG_FILES.length : found;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

const [SOURCES, COMPILED] = [join(import.meta.dirname, "src"), join(import.meta.dirname, "dist")];
/** What `tsc -b` writes last, also where nothing was to be compiled. */
const STAMP = join(COMPILED, ".tests.tsbuildinfo");

/**
 * The simulator as it is shipped, compiled, under the tests that run it for minutes: a call from one module into another goes
 * through vitest's bindings otherwise, and what-if takes five times as long. Where a file was changed after all were
 * compiled, all are taken as they are written.
 */
function compiledModules(): NonNullable<ViteUserConfig["plugins"]>[number] {
  const changedMs = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const stampMs = changedMs(STAMP);
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" });
  const isStale = files.some((file) => isModule(file) && stampMs < changedMs(join(SOURCES, file)));
  return {
    name: "compiled-modules",
    enforce: "pre",
    resolveId(path, importer) {
      if (isStale || importer === undefined || !path.startsWith(".")) return undefined;
      const source = resolve(dirname(importer), path);
      if (!source.startsWith(SOURCES) || !isModule(source) || !existsSync(source)) return undefined;
      const compiled = source.replace(SOURCES, COMPILED).replace(/\.ts$/, ".js");
      return existsSync(compiled) ? compiled : undefined;
    },
  };
}

/** Suites belong to the tests. */
function isModule(path: string): boolean {
  return path.endsWith(".ts") && !/(_suite|\.test)\.ts$/.test(path);
}

const REAL_GUESTS = {
  // What a real guest or a browser does on a busy machine is waited for, not timed.
  expect: { poll: { timeout: 30_000, interval: 50 } },
  testTimeout: 120_000,
  hookTimeout: 180_000,
};

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          maxWorkers: "100%",
          include: ["src/**/*.test.ts"],
          exclude: [
            "src/**/*.{lab,browser,property}.test.ts",
            "src/{sim,study,bench}/**",
            "src/cli/sim*.test.ts",
          ],
          // No module has a state of its own, so files can share a process: half the time.
          isolate: false,
          // A property test on a busy machine; a test that hangs is still found.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "property",
          maxWorkers: "100%",
          include: ["src/**/*.property.test.ts"],
          exclude: ["src/sim/**"],
          isolate: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        plugins: [compiledModules()],
        test: {
          name: "sim",
          server: { deps: { external: [/\/dist\//] } },
          maxWorkers: "100%",
          include: ["src/{sim,study,bench}/**/*.test.ts", "src/cli/sim*.test.ts"],
          isolate: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...REAL_GUESTS,
          name: "lab",
          include: ["src/lab/**/*.lab.test.ts", "src/web/**/*.browser.test.ts"],
          exclude: LOAD_FILES,
          maxWorkers: 3,
        },
      },
      {
        test: { ...REAL_GUESTS, name: "load", include: LOAD_FILES, fileParallelism: false },
      },
    ],
  },
});
