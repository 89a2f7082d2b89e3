// `npm test`: sets up what the machine lacks, checks types, style and format, runs the unit tests, those that draw
// many cases, the simulator's and the tests on real guests. A stage that cannot run fails and says what to install; nothing is skipped.
// Its last line is "N passed, N failed", counted from the test runner's own reports.
//
// Real guests wait half of the time, and the simulator, which only computes, fills it: it runs behind them, yields to
// them, and is shown when it is over. What measures load comes last and has the machine to itself.
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setUp } from "./setup.mjs";

const ROOT = join(import.meta.dirname, "..");
const REPORTS = join(ROOT, "dist", "reports");

/** A tenth of what others get who want all: on a machine that is busy with something else, too, it still comes to an end. */
const NICE = 10;

const wanted = process.argv.slice(2);
const stages = wanted.length > 0 ? wanted : ["static", "unit", "property", "sim", "lab"];

// Ended by hand, it takes what runs behind with it.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

const totals = { passed: 0, failed: 0 };
const machine = await setUp({ root: ROOT, purpose: purposeOf(stages) }).catch((error) => {
  fail(error.message);
  finish();
});
mkdirSync(REPORTS, { recursive: true });

if (stages.includes("static")) {
  for (const script of ["types", "lint", "format"]) {
    const ended = await run("npm", ["run", "--silent", script]);
    if (ended !== 0) fail(`npm run ${script} found something, see above`);
  }
}
for (const project of ["unit", "property"]) {
  if (stages.includes(project)) await vitest(project);
}
const simulator = stages.includes("sim") ? vitest("sim", runBehind) : undefined;
if (stages.includes("lab") && machine.lab) await vitest("lab");
await simulator;
if (stages.includes("lab")) {
  if (machine.lab) await vitest("load");
  else fail(`The tests on real guests cannot run here: ${machine.why}`);
}

finish();

/** What the machine needs for these stages. */
function purposeOf(stages) {
  if (stages.includes("lab")) return "test";
  return stages.includes("sim") ? "bench" : "unit";
}

async function vitest(project, runIt = run) {
  const report = join(REPORTS, `${project}.json`);
  rmSync(report, { force: true });
  const ended = await runIt("npx", [
    "--no-install",
    "vitest",
    "run",
    "--project",
    project,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ]);
  if (!existsSync(report)) return fail(`The ${project} tests wrote no report`);
  const { numPassedTests, numFailedTests, numTotalTests } = JSON.parse(readFileSync(report, "utf8"));
  totals.passed += numPassedTests;
  totals.failed += numFailedTests;
  const unrun = numTotalTests - numPassedTests - numFailedTests;
  if (unrun !== 0) fail(`${unrun} of the ${project} tests were not run`);
  if (numTotalTests === 0) fail(`The ${project} stage ran no test`);
  // A suite that does not load fails without any of its tests being counted.
  if (ended !== 0 && numFailedTests === 0) fail(`The ${project} tests ended with ${ended}, see above`);
}

function finish() {
  console.log(`${totals.passed} passed, ${totals.failed} failed`);
  process.exit(totals.failed === 0 ? 0 : 1);
}

function fail(why) {
  console.error(`FAILED: ${why}`);
  totals.failed += 1;
}

function run(command, args) {
  return endOf(spawn(command, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] }));
}

/** Gets the time that nobody else wants; what it says is kept until it is over. */
async function runBehind(command, args) {
  const said = join(REPORTS, "behind.log");
  const output = openSync(said, "w");
  const stdio = ["ignore", output, output];
  const child = spawn("nice", ["-n", String(NICE), command, ...args], { cwd: ROOT, stdio, detached: true });
  closeSync(output);
  yieldAsSession(child.pid);
  const end = () => endSession(child.pid);
  process.once("exit", end);
  const ended = await endOf(child);
  process.off("exit", end);
  process.stdout.write(readFileSync(said));
  rmSync(said);
  return ended;
}

/** Where Linux divides the time among sessions first, a nice process yields to nobody outside of its own. */
function yieldAsSession(leader) {
  try {
    writeFileSync(`/proc/${leader}/autogroup`, String(NICE));
  } catch {
    // It does not divide so here.
  }
}

function endSession(leader) {
  try {
    process.kill(-leader, "SIGTERM");
  } catch {
    // It ended by itself.
  }
}

function endOf(child) {
  return new Promise((resolve) => {
    child.once("error", () => resolve(1));
    child.once("close", (code) => resolve(code ?? 1));
  });
}
