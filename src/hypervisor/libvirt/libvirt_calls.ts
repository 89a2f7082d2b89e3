/**
 * What the daemon asks of libvirt, each as one call that ends with a plain value or a `LibvirtError`. They run in a
 * process of their own (libvirt_process.ts); the names, arguments and answers are all that crosses.
 *
 * libvirt reports why a call failed per thread, and on one connection calls of several threads run at once. So each
 * call here has a connection to itself while it runs, and the connection's error callback says what went wrong with it.
 */
import type { PcpuId, VcpuIndex } from "../../core/units.ts";
import type { DomainStats, LibvirtFault, LibvirtLibrary, Pointer } from "./libvirt_library.ts";

/** A running domain: the UUID names it for ever, the number only this life of it. */
export interface DomainKey {
  readonly uuid: string;
  readonly id: number;
}

export interface ListedDomain extends DomainKey {
  readonly name: string;
}

/** Numbers as in libvirt's headers. */
export interface DomainState {
  readonly state: number;
  readonly reason: number;
}

export interface LibvirtCalls {
  /** As 9000000 for 9.0.0; also proof that the daemon answers. */
  version(): Promise<number>;
  capabilities(): Promise<string>;
  /** Ordered by name. */
  domains(): Promise<ListedDomain[]>;
  state(domain: DomainKey): Promise<DomainState>;
  xml(domain: DomainKey): Promise<string>;
  /** 0 for none: a migration, a save, a dump or a snapshot is under way otherwise. */
  job(domain: DomainKey): Promise<number>;
  /** What libvirt believes, for each vCPU that the definition has room for. */
  vcpuPins(domain: DomainKey, vcpus: number): Promise<PcpuId[][]>;
  emulatorPins(domain: DomainKey): Promise<PcpuId[]>;
  pinVcpu(domain: DomainKey, vcpu: VcpuIndex, pcpus: readonly PcpuId[]): Promise<void>;
  pinEmulator(domain: DomainKey, pcpus: readonly PcpuId[]): Promise<void>;
  pinIoThread(domain: DomainKey, thread: number, pcpus: readonly PcpuId[]): Promise<void>;
  setVcpu(domain: DomainKey, vcpu: VcpuIndex, plugged: boolean): Promise<void>;
  /** Writes an element into the live definition's metadata. */
  setMetadata(domain: DomainKey, element: XmlMark): Promise<void>;
  /** The stock guest agent's answer as it came. */
  agentCommand(domain: DomainKey, command: string, timeoutSeconds: number): Promise<string>;
  vcpuStats(): Promise<readonly DomainStats[]>;
}

export interface XmlMark {
  /** As text: `<unplugged/>`. */
  readonly element: string;
  readonly prefix: string;
  readonly namespace: string;
}

export class LibvirtError extends Error {
  /** As in libvirt's virterror.h. */
  readonly code: number;
  constructor({ code, message }: LibvirtFault) {
    super(message);
    this.name = "LibvirtError";
    this.code = code;
  }
}

/** VIR_ERR_NO_DOMAIN: also for a domain that has been started anew since. */
export const NO_DOMAIN = 42;

/**
 * So many calls run at once. Each may wait for half a minute in libvirt for a domain whose QEMU hangs, and no domain has
 * more than three under way: a few such domains leave the others room. libvirt's own daemon has 20 workers.
 */
export const CALLS_MAX = 16;

/** A mask for 1,024 pCPUs; libvirt leaves out what the host does not have. */
const MAP_BYTES = 128;

export function libvirtCalls(library: LibvirtLibrary, uri: string): LibvirtCalls {
  const idle: OpenConnection[] = [];
  const waiting: ((connection: OpenConnection | null) => void)[] = [];
  let opened = 0;
  let opening: Promise<unknown> = Promise.resolve();
  let openFault: LibvirtFault | null = null;
  // A connection that does not come about has no callback of its own; one is opened at a time.
  library.setErrorCallback((fault) => {
    openFault = fault;
  });

  async function open(): Promise<OpenConnection> {
    const turn = opening.then(async () => {
      openFault = null;
      const pointer = await library.open(uri);
      if (pointer === null) throw new LibvirtError(openFault ?? SAYS_NOTHING);
      const connection: OpenConnection = { pointer, fault: null };
      library.setConnectionErrorCallback(pointer, (fault) => {
        connection.fault = fault;
      });
      return connection;
    });
    opening = turn.catch(() => undefined);
    return turn;
  }
  async function take(): Promise<OpenConnection> {
    const free = idle.pop();
    if (free !== undefined) return free;
    if (opened < CALLS_MAX) {
      opened++;
      try {
        return await open();
      } catch (error) {
        opened--;
        waiting.shift()?.(null);
        throw error;
      }
    }
    return (await new Promise<OpenConnection | null>((resolve) => waiting.push(resolve))) ?? take();
  }
  function giveBack(connection: OpenConnection): void {
    const next = waiting.shift();
    if (next === undefined) idle.push(connection);
    else next(connection);
  }

  /** Runs one call on a connection of its own; `null`, and a number below 0, mean that it failed. */
  async function call<T>(ask: (connection: Pointer) => Promise<T | null>): Promise<T> {
    const connection = await take();
    try {
      connection.fault = null;
      const answer = await ask(connection.pointer);
      if (answer === null || (typeof answer === "number" && answer < 0))
        throw new LibvirtError(connection.fault ?? SAYS_NOTHING);
      return answer;
    } finally {
      giveBack(connection);
    }
  }
  async function callDomain<T>(
    { uuid, id }: DomainKey,
    ask: (domain: Pointer) => Promise<T | null>,
  ): Promise<T> {
    return call(async (connection) => {
      const domain = await library.lookUp(connection, uuid);
      if (domain === null) return null;
      try {
        if (library.domainId(domain) !== id)
          throw new LibvirtError({ code: NO_DOMAIN, message: `Domain ${uuid} has been started anew` });
        return await ask(domain);
      } finally {
        library.freeDomain(domain);
      }
    });
  }

  return {
    version: () => call(library.version),
    capabilities: () => call(library.capabilities),
    domains: () =>
      call(async (connection) => {
        const domains = await library.activeDomains(connection);
        return (
          domains
            ?.map((domain) => {
              const { domainId, domainName, domainUuid, freeDomain } = library;
              const listed = { uuid: domainUuid(domain), id: domainId(domain), name: domainName(domain) };
              freeDomain(domain);
              return listed;
            })
            .sort((a, b) => (a.name < b.name ? -1 : 1)) ?? null
        );
      }),
    state: (key) =>
      callDomain(key, async (domain) => {
        const read = await library.domainState(domain);
        return read === null ? null : { state: read[0], reason: read[1] };
      }),
    xml: (key) => callDomain(key, library.domainXml),
    job: (key) => callDomain(key, library.jobType),
    vcpuPins: (key, vcpus) =>
      callDomain(key, async (domain) => {
        const maps = new Uint8Array(vcpus * MAP_BYTES);
        const count = await library.vcpuPins(domain, vcpus, maps, MAP_BYTES);
        if (count < 0) return null;
        return Array.from({ length: count }, (_, vcpu) =>
          pcpusOf(maps.subarray(vcpu * MAP_BYTES, (vcpu + 1) * MAP_BYTES)),
        );
      }),
    emulatorPins: (key) =>
      callDomain(key, async (domain) => {
        const map = new Uint8Array(MAP_BYTES);
        return (await library.emulatorPins(domain, map, MAP_BYTES)) < 0 ? null : pcpusOf(map);
      }),
    async pinVcpu(key, vcpu, pcpus) {
      await callDomain(key, (domain) => library.pinVcpu(domain, vcpu, mapOf(pcpus), MAP_BYTES));
    },
    async pinEmulator(key, pcpus) {
      await callDomain(key, (domain) => library.pinEmulator(domain, mapOf(pcpus), MAP_BYTES));
    },
    async pinIoThread(key, thread, pcpus) {
      await callDomain(key, (domain) => library.pinIoThread(domain, thread, mapOf(pcpus), MAP_BYTES));
    },
    async setVcpu(key, vcpu, plugged) {
      await callDomain(key, (domain) => library.setVcpu(domain, String(vcpu), plugged ? 1 : 0));
    },
    async setMetadata(key, { element, prefix, namespace }) {
      await callDomain(key, (domain) => library.setMetadata(domain, element, prefix, namespace));
    },
    agentCommand: (key, command, timeoutSeconds) =>
      callDomain(key, (domain) => library.agentCommand(domain, command, timeoutSeconds)),
    vcpuStats: () => call(library.vcpuStats),
  };
}

interface OpenConnection {
  readonly pointer: Pointer;
  /** What went wrong with the call that has it now. */
  fault: LibvirtFault | null;
}

const SAYS_NOTHING: LibvirtFault = { code: 1, message: "libvirt failed and did not say why" };

function mapOf(pcpus: readonly PcpuId[]): Uint8Array {
  const map = new Uint8Array(MAP_BYTES);
  for (const pcpu of pcpus) if (pcpu >> 3 < MAP_BYTES) map[pcpu >> 3]! |= 1 << (pcpu & 7);
  return map;
}

function pcpusOf(map: Uint8Array): PcpuId[] {
  return [...map].flatMap((byte, at) =>
    byte === 0 ? [] : [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte >> bit) & 1).map((bit) => at * 8 + bit),
  );
}
