/**
 * The clients of `vbal bench api`, as a process of their own: some ask for the state once a second each, some follow it. Told
 * to end by a line on its standard input, it prints what it saw as one line of JSON. Arguments: socket, pollers, streams.
 */
import { Agent, get } from "node:http";

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
let ending = false;

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

function follow(): void {
  const following = get({ socketPath, path: "/v1/events", agent: false }, (answer) => {
    answer.on("data", (chunk: Buffer) => {
      if (chunk.includes("event: state")) events += 1;
    });
    answer.on("close", lost);
  });
  following.on("error", lost);
}

function lost(): void {
  if (!ending) streamsLost += 1;
}

for (let i = 0; i < streams; i++) follow();
for (let i = 0; i < pollers; i++) {
  // Spread over the second, as clients that know nothing of each other are.
  setTimeout(() => setInterval(poll, POLL_EVERY_MS), (POLL_EVERY_MS * i) / pollers);
}
process.stdin.once("data", () => {
  ending = true;
  const saw: ClientsSaw = { answers: answerMs.length, failures, events, streamsLost, answerMs };
  process.stdout.write(`${JSON.stringify(saw)}\n`, () => process.exit(0));
});
