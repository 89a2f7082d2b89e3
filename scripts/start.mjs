// `npm start`: makes a fresh clone ready, then shows on two real guests what vbal does. Where real guests cannot be had,
// it says why and shows the simulated host instead. `npm start -- --for 60` ends by itself.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setUp } from "./setup.mjs";

const ROOT = join(import.meta.dirname, "..");
const args = process.argv.slice(2);

const machine = await setUp({ root: ROOT, purpose: "start", yes: args.includes("--yes") }).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
const demo = ["demo", ...(machine.lab ? [] : ["--simulated"]), ...args.filter((arg) => arg !== "--yes")];
const child = spawn(process.execPath, [join(ROOT, "dist", "cli", "main.js"), ...demo], { stdio: "inherit" });
// A terminal sends Ctrl-C to both; the child puts everything back and ends, and so do we, with its status.
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => signal === "SIGTERM" && child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === null ? 0 : 1)));
