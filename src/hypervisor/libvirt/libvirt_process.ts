/**
 * A process for one connection to libvirt, started by libvirt_link.ts. libvirt's calls block their thread for as long
 * as libvirt likes, and a fault in a C library ends its process: here neither touches the daemon. It ends with its
 * connection, or with the daemon, and always by SIGKILL, because Node would wait for the blocked threads otherwise.
 */
import { type DomainKey, type LibvirtCalls, LibvirtError, libvirtCalls } from "./libvirt_calls.ts";
import { type LibvirtLibrary, loadLibvirt, type Pointer } from "./libvirt_library.ts";

/** To the process. */
export interface LibvirtRequest {
  readonly id: number;
  readonly call: keyof LibvirtCalls;
  readonly args: readonly unknown[];
}

/** From the process. `open`: the connection stands, and events come. `fault`: the last thing it says. */
export type LibvirtMessage =
  | { readonly kind: "open" }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly code: number; readonly message: string }
  | { readonly kind: "event"; readonly event: LibvirtEvent }
  | { readonly kind: "fault"; readonly message: string };

export interface LibvirtEvent {
  readonly kind: LibvirtEventKind;
  readonly domain: DomainKey;
  readonly name: string;
  /** What happened, for `lifecycle`: a number of virDomainEventType. */
  readonly detail: number;
  /** What the guest's kernel made of a plug or unplug, for `vcpu`: QEMU's ACPI_DEVICE_OST as JSON. */
  readonly text?: string;
}

export type LibvirtEventKind = keyof typeof EVENTS | "vcpu";

/** Numbers of virDomainEventID. `definition`: what the live XML says has changed. */
const EVENTS = {
  lifecycle: [0],
  reboot: [1],
  /** A device went, came, or would not go; pins or shares; metadata. */
  definition: [15, 19, 22, 17, 23],
  /** The stock guest agent came or went. */
  agent: [18],
  /** A migration got further; a job ended. */
  job: [20, 21],
} as const;

/** A libvirt daemon that is silent for this long, times the count, is taken for gone. */
const KEEP_ALIVE_SECONDS = 5;
const KEEP_ALIVE_COUNT = 3;

function main(uri: string): void {
  const send = (message: LibvirtMessage) => void process.send?.(message);
  const fail = (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    process.send?.({ kind: "fault", message } satisfies LibvirtMessage, () => end());
  };
  process.on("disconnect", end);
  try {
    const library = loadLibvirt();
    library.prepareEvents();
    const calls = libvirtCalls(library, uri);
    process.on("message", (request: LibvirtRequest) => void answer(calls, request, send));
    void runEvents(library);
    // The first call opens a connection of its own, and says why when that fails.
    calls
      .version()
      .then(() => watch(library, uri, send))
      .then(() => send({ kind: "open" }), fail);
  } catch (error) {
    fail(error);
  }
}

function end(): void {
  process.kill(process.pid, "SIGKILL");
}

async function answer(
  calls: LibvirtCalls,
  { id, call, args }: LibvirtRequest,
  send: (message: LibvirtMessage) => void,
): Promise<void> {
  try {
    const value = await (calls[call] as (...args: readonly unknown[]) => Promise<unknown>)(...args);
    send({ kind: "answer", id, value: value ?? null });
  } catch (error) {
    const code = error instanceof LibvirtError ? error.code : 1;
    send({ kind: "refusal", id, code, message: error instanceof Error ? error.message : String(error) });
  }
}

/** Opens the connection that events come over, and on which it is noticed that libvirt went away. */
async function watch(
  library: LibvirtLibrary,
  uri: string,
  send: (message: LibvirtMessage) => void,
): Promise<void> {
  const connection = await library.open(uri);
  if (connection === null) throw new Error(`${uri} could be opened once, and not again`);
  // What an older libvirt or another driver does not know is left out; the adapter looks for itself every so often.
  library.setConnectionErrorCallback(connection, () => undefined);
  await library.onClose(connection, (reason) => {
    const message = `libvirt closed the connection (${CLOSE_REASONS[reason] ?? "for no known reason"})`;
    process.send?.({ kind: "fault", message } satisfies LibvirtMessage, () => end());
  });
  // A driver without a daemon behind it (test:///) knows no keepalive, and needs none.
  await library.setKeepAlive(connection, KEEP_ALIVE_SECONDS, KEEP_ALIVE_COUNT);
  const keyOf = (domain: Pointer) => ({ uuid: library.domainUuid(domain), id: library.domainId(domain) });
  await library.onMonitorEvent(connection, "ACPI_DEVICE_OST", (domain, text) => {
    const name = library.domainName(domain);
    send({ kind: "event", event: { kind: "vcpu", domain: keyOf(domain), name, detail: 0, text } });
  });
  for (const kind of Object.keys(EVENTS) as (keyof typeof EVENTS)[]) {
    for (const number of EVENTS[kind]) {
      await library.onEvent(connection, number, (domain: Pointer, detail) => {
        send({
          kind: "event",
          event: { kind, domain: keyOf(domain), name: library.domainName(domain), detail },
        });
      });
    }
  }
}

const CLOSE_REASONS = ["it failed", "its daemon ended", "its daemon did not answer", "by us"];

async function runEvents(library: LibvirtLibrary): Promise<never> {
  for (;;) await library.runEvents();
}

main(process.argv[2] ?? "");
