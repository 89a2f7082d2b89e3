/** What the tests on real guests ask the kernel, the guests and the daemon, each directly at the source. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseCpuList } from "../hypervisor/linux/cpu_list.ts";
import type { StateView } from "../protocol/state_view.ts";
import type { Guest } from "./guest.ts";

/** Of the agents in tests' guests: what is reported at the interval only is not worth waiting for. */
export const PACE = { reportEveryMs: 3_000 };

const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");
/** Guests that share two busy pCPUs need most of a minute for a boot. */
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 100;

/** Polls until `holds`; rejects with `what` and what was seen last. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  holds: (seen: T) => boolean,
): Promise<T> {
  let seen: T | undefined;
  let fault = "";
  for (let waited = 0; waited < PATIENCE_MS; waited += LOOK_EVERY_MS) {
    try {
      seen = await look();
      fault = "";
      if (holds(seen)) return seen;
    } catch (error) {
      fault = String(error);
    }
    await sleep(LOOK_EVERY_MS);
  }
  throw new Error(`${what}: not within ${PATIENCE_MS} ms; last seen: ${fault || JSON.stringify(seen)}`);
}

/** Where each thread of the guest's QEMU may run, by thread id. */
export function threadPins(guest: Guest): ReadonlyMap<string, string> {
  const tasks = `/proc/${guest.pid}/task`;
  const pins = new Map<string, string>();
  for (const thread of readdirSync(tasks)) {
    try {
      const status = readFileSync(`${tasks}/${thread}/status`, "utf8");
      pins.set(thread, /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "");
    } catch {
      // A worker that ended meanwhile.
    }
  }
  return pins;
}

/** `[[0], [0]]`: where each vCPU's thread may run. */
export async function vcpuPins(guest: Guest): Promise<readonly (readonly number[])[]> {
  const threads = await guest.vcpuThreads();
  const pins = threadPins(guest);
  return threads.map(({ tid }) => parseCpuList(pins.get(String(tid)) ?? "") ?? []);
}

/** "0-1": what the guest's kernel says. */
export function onlineInGuest(guest: Guest): Promise<string> {
  return guest.output(["cat", "/sys/devices/system/cpu/online"]);
}

/** Everything that a story with one guest may not change of another. QEMU's workers come and go: where they may run counts. */
export async function stateOf(guest: Guest): Promise<object> {
  const threads = [...new Set(threadPins(guest).values())].sort();
  return { vcpus: await vcpuPins(guest), threads, online: await onlineInGuest(guest) };
}

/** One vCPU in use, and all of its threads on one pCPU, which no vCPU of the others may use (B-7, B-18). */
export async function hasOneToItself(guest: Guest, others: readonly Guest[]): Promise<boolean> {
  const mine = [...threadPins(guest).values()].flatMap((pins) => parseCpuList(pins) ?? []);
  const theirs = (await Promise.all(others.map(vcpuPins))).flat(2);
  const isAlone = new Set(mine).size === 1 && !theirs.some((pcpu) => mine.includes(pcpu));
  return isAlone && (await onlineInGuest(guest)) === "0";
}

/** `vbal up` as a process of its own. */
export class DaemonProcess {
  output = "";
  readonly #child: ChildProcess;
  readonly #socket: string;
  readonly #over: Promise<number | null>;

  constructor({ config, socket }: { readonly config: string; readonly socket: string }) {
    this.#socket = socket;
    this.#child = spawn(process.execPath, [MAIN, "up", "--config", config], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    this.#over = new Promise((done) => this.#child.once("close", (code) => done(code)));
  }

  state(): Promise<StateView> {
    return this.#ask("GET", "/v1/state") as Promise<StateView>;
  }

  set(domain: string, fields: object): Promise<unknown> {
    return this.#ask("POST", `/v1/domains/${domain}`, fields);
  }

  /** Sends the signal; resolves with the exit code, null for one that was killed. */
  end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return this.#over;
  }

  #ask(method: string, path: string, body?: object): Promise<unknown> {
    return new Promise((done, failed) => {
      const headers = body === undefined ? {} : { "content-type": "application/json" };
      const asking = request(
        { socketPath: this.#socket, method, path, headers, timeout: 5_000 },
        (answer) => {
          let text = "";
          answer.on("data", (chunk: Buffer) => {
            text += chunk.toString();
          });
          answer.on("end", () => {
            if (answer.statusCode === 200) done(JSON.parse(text));
            else failed(new Error(text));
          });
        },
      );
      asking.on("error", failed);
      asking.on("timeout", () => asking.destroy(new Error("The daemon does not answer")));
      asking.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
