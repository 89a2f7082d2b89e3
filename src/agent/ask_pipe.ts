/**
 * How a person in the guest speaks with the running agent (P-15): a pipe with a name that root alone may write to, one
 * line of JSON per request, and a file of the asker's own for the answer. Lines shorter than a page are never mixed,
 * so several may ask at once; both ends are bounded, and an asker's name is made of digits, so it is no path.
 */
import { DECODER_START, type Decoder, decode } from "../protocol/frame.ts";
import {
  fieldsOf,
  integer,
  misfit,
  oneOf,
  orNull,
  type Parsed,
  parsed,
  text,
} from "../protocol/parse_fields.ts";
import type { Asker } from "./asking.ts";
import type { Verdict } from "./monitoring.ts";
import type { Pipe, Platform } from "./platform.ts";

export class AskPipe {
  readonly #platform: Platform;
  readonly #path: string;
  readonly #onAsked: (asker: Asker) => void;
  #pipe: Pipe | null = null;
  #decoder: Decoder = DECODER_START;

  constructor(platform: Platform, path: string, onAsked: (asker: Asker) => void) {
    this.#platform = platform;
    this.#path = path;
    this.#onAsked = onAsked;
  }

  /** Makes the pipe anew; what an earlier agent left is removed. Nothing when it is open. */
  open(): void {
    if (this.#pipe !== null) return;
    this.#platform.remove(this.#path);
    const folder = this.#path.slice(0, this.#path.lastIndexOf("/"));
    const name = this.#path.slice(folder.length + 1);
    for (const file of this.#platform.listDirectory(folder)) {
      if (file.startsWith(`${name}.`)) this.#platform.remove(`${folder}/${file}`);
    }
    const opened = this.#platform.openPipe(this.#path, (chunk) => this.#hear(chunk));
    if (typeof opened !== "string") this.#pipe = opened;
    else this.#platform.log(`Nobody in this guest can ask for vCPUs: ${this.#path}: ${opened}`);
  }

  tell(asker: string, verdict: Verdict): void {
    const why = this.#platform.replaceFile(answerPath(this.#path, asker), `${JSON.stringify(verdict)}\n`);
    if (why !== null) this.#platform.log(`The answer to ${asker} could not be written: ${why}`);
  }

  close(): void {
    if (this.#pipe === null) return;
    this.#pipe.close();
    this.#pipe = null;
    this.#platform.remove(this.#path);
  }

  #hear(chunk: Uint8Array): void {
    const { decoder, items } = decode(this.#decoder, chunk);
    this.#decoder = decoder;
    for (const item of items) {
      const asked = item.kind === "frame" ? parseAsker(item.value) : { ok: false as const, why: item.why };
      if (asked.ok) this.#onAsked(asked.message);
      else this.#platform.log(`A request through ${this.#path} makes no sense: ${asked.why}`);
    }
  }
}

/** Gone after a reboot; /run belongs to root. */
export const ASK_PATH = "/run/vbal-agent.ask";

/** Where the answer is put. */
export function answerPath(pipe: string, asker: string): string {
  return `${pipe}.${asker}`;
}

function parseAsker(value: unknown): Parsed<Asker> {
  return parsed(() => {
    const line = fieldsOf(value, "request");
    const asker = text(line["asker"], "asker", { min: 1, max: ASKER_CHARS_MAX });
    if (!/^\d+$/.test(asker)) return misfit("asker", "a process id", asker);
    return {
      asker,
      target: orNull(line["target"], (value) => {
        const target = fieldsOf(value, "target");
        return {
          kind: oneOf(target["kind"], "target.kind", ["node", "proximity-domain"]),
          id: integer(target["id"], "target.id", { min: 0, max: TARGET_MAX }),
        };
      }),
    };
  });
}

/** Process ids have seven digits at most. */
const ASKER_CHARS_MAX = 10;
/** What a request may name (protocol/parse_guest_message.ts). */
export const TARGET_MAX = 2_147_483_647;
