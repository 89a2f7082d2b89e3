/**
 * The clients of `vbal bench api`, as a process of their own: some ask for the state once a second each, some follow it.
 * "go" and "rest" on the standard input begin and end a time with clients; "end" prints what they saw as one line of JSON.
 * Arguments: socket, pollers, streams.
 */
import { Agent, get } from "node:http";
import { createInterface } from "node:readline";

export interface ClientsSaw {
  readonly answers: number;
  /** Answers that were no state, and requests that failed. */
  readonly failures: number;
  readonly events: number;
  readonly streamsLost: number;
  /** How long each answer took, in milliseconds. */
  readonly answerMs: readonly number[];
}

const POLL_EVERY_MS = 1_000;

const [socketPath, pollers, streams] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
const agent = new Agent({ keepAlive: true });
const answerMs: number[] = [];
let failures = 0;
let events = 0;
let streamsLost = 0;
/** Ends the clients that are there now. */
let rest: () => void = () => undefined;

function poll(): void {
  const begin = performance.now();
  const asking = get({ socketPath, path: "/v1/state", agent }, (answer) => {
    let bytes = 0;
    answer.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    answer.on("end", () => {
      if (answer.statusCode === 200 && 0 < bytes) answerMs.push(performance.now() - begin);
      else failures += 1;
    });
  });
  asking.on("error", () => {
    failures += 1;
  });
}

/** Answers how to leave. */
function follow(): () => void {
  let leaving = false;
  const lost = () => {
    if (!leaving) streamsLost += 1;
    leaving = true;
  };
  const following = get({ socketPath, path: "/v1/events", agent: false }, (answer) => {
    answer.on("data", (chunk: Buffer) => {
      if (chunk.includes("event: state")) events += 1;
    });
    answer.on("error", lost);
    answer.on("close", lost);
  });
  following.on("error", lost);
  return () => {
    leaving = true;
    following.destroy();
  };
}

function go(): void {
  const leave = Array.from({ length: streams }, follow);
  // Spread over the second, as clients that know nothing of each other are.
  const timers: NodeJS.Timeout[] = [];
  for (let i = 0; i < pollers; i++) {
    timers.push(
      setTimeout(() => timers.push(setInterval(poll, POLL_EVERY_MS)), (POLL_EVERY_MS * i) / pollers),
    );
  }
  rest = () => {
    for (const timer of timers) clearTimeout(timer);
    for (const one of leave) one();
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "go") go();
  else rest();
  if (line === "end") break;
}
const saw: ClientsSaw = { answers: answerMs.length, failures, events, streamsLost, answerMs };
process.stdout.write(`${JSON.stringify(saw)}\n`, () => process.exit(0));
