/**
 * One running domain of libvirt's. What libvirt said is kept and asked for again only when an event, or the list of its
 * threads, shows that it may have changed; on the same machine all else is read from /proc at each observation, so that
 * a libvirt that hangs or restarts delays nothing and hides nothing.
 */
import type { DomainSnapshot } from "../../core/model.ts";
import type { DomainId, Milliseconds, PcpuId } from "../../core/units.ts";
import type { GuestChannel } from "../guest/guest_channel.ts";
import { createQemuGuestAgent } from "../guest/qemu_guest_agent.ts";
import { createVbalAgentChannel, type VbalAgentPace } from "../guest/vbal_agent_channel.ts";
import {
  CommandError,
  type DefinedDomain,
  type DomainFinding,
  type DomainUsage,
  type HypervisorChange,
} from "../port.ts";
import type { Timers } from "../timers.ts";
import { type DefinedPolicy, definedPolicy } from "./domain_policy.ts";
import { libvirtAgent } from "./libvirt_agent.ts";
import {
  type DomainKey,
  type DomainState,
  type LibvirtCalls,
  LibvirtError,
  NO_DOMAIN,
} from "./libvirt_calls.ts";
import { type LiveDefinition, parseLiveDefinition } from "./live_definition.ts";
import { findMachineProcess, type Machine, openMachine } from "./machine_process.ts";

/** Asks libvirt; rejects with `connection-lost` while there is no connection. */
export type Ask = <Name extends keyof LibvirtCalls>(
  name: Name,
  deadline: Milliseconds,
  ...args: Parameters<LibvirtCalls[Name]>
) => Promise<Awaited<ReturnType<LibvirtCalls[Name]>>>;

export interface LibvirtDomainOptions {
  readonly key: DomainKey;
  readonly name: DomainId;
  readonly ask: Ask;
  /** Its QEMU runs on this machine. */
  readonly isLocal: boolean;
  readonly agent: VbalAgentPace;
  readonly timers: Timers;
  readonly onChange: (change: HypervisorChange) => void;
  /** Its QEMU ended: commands on it are void. */
  readonly onGone: () => void;
}

export interface LibvirtDomain {
  readonly key: DomainKey;
  readonly name: DomainId;
  /** It has been asked about, and is still there. */
  isThere(): boolean;
  /** `null` for a domain that is not there (any more). Asks libvirt, within the deadline, only where something has changed. */
  observe(deadline: Milliseconds): Promise<DomainObservation | null>;
  /** What is known of it, brought up to date. Rejects with a `CommandError` when there is no telling. */
  demand(deadline: Milliseconds): Promise<KnownDomain>;
  isPaused(): boolean;
  /** vbal's own agent first. */
  channels(): readonly GuestChannel[];
  problems(): readonly string[];
  definition(): LiveDefinition | null;
  /** What libvirt said last may no longer be so; `now`: ask at once, not with the next observation. */
  doubt(): void;
  heed(event: DomainEvent): void;
  /** Resolves when it has been asked about once, with or without success. */
  readonly tried: Promise<void>;
  close(): void;
}

export type DomainEvent = "paused" | "resumed" | "stopped" | "reset" | "changed" | "agent";

export interface KnownDomain {
  readonly key: DomainKey;
  readonly definition: LiveDefinition;
  readonly machine: Machine | null;
}

export interface DomainObservation {
  readonly snapshot: DomainSnapshot;
  /** `null` where only libvirt could tell. */
  readonly usage: DomainUsage | null;
  readonly preflight: readonly DomainFinding[];
  readonly defined: DefinedDomain;
}

/** What libvirt said of it last. */
interface Known extends KnownDomain {
  readonly incarnation: string;
  definition: LiveDefinition;
  state: DomainState;
  job: number;
  policy: DefinedPolicy;
  believedPins: readonly (readonly PcpuId[])[];
  believedEmulatorPins: readonly PcpuId[];
  stale: boolean;
}

/** libvirt answers within milliseconds when it is well. */
const ASK_DEADLINE_MS: Milliseconds = 5_000;
/** An observation waits no longer for one domain: what was known before is good enough until the next one. */
const OBSERVE_PATIENCE_MS: Milliseconds = 250;
/** Numbers of virDomainState in which the guest's vCPUs run. */
const RUNS = new Set([1, 2]);

export const OUR_PORT = "org.vbal.agent.0";
export const STOCK_PORT = "org.qemu.guest_agent.0";

export function createLibvirtDomain(options: LibvirtDomainOptions): LibvirtDomain {
  const { key, name, ask, timers, onChange, onGone } = options;
  const channels: GuestChannel[] = [];
  let known: Known | null = null;
  let isOver = false;
  let problem: string | null = null;
  let refreshing: Promise<void> | null = null;

  /** Asks for everything that may change, and for the definition. */
  async function read(): Promise<Omit<Known, "incarnation" | "machine">> {
    const definition = parseLiveDefinition(await ask("xml", ASK_DEADLINE_MS, key));
    const [state, job, believedPins, believedEmulatorPins] = await Promise.all([
      ask("state", ASK_DEADLINE_MS, key),
      ask("job", ASK_DEADLINE_MS, key).catch(orNoJob),
      ask("vcpuPins", ASK_DEADLINE_MS, key, definition.vcpus.length),
      ask("emulatorPins", ASK_DEADLINE_MS, key),
    ]);
    const policy = definedPolicy(definition);
    return { key, definition, policy, state, job, believedPins, believedEmulatorPins, stale: false };
  }

  async function meet(): Promise<void> {
    const facts = await read();
    if (isOver) return;
    const found = options.isLocal ? findMachineProcess(key.uuid) : null;
    if (options.isLocal && found === null)
      throw new Error(`No process on this machine has its UUID; is it in another PID namespace?`);
    const life = found === null ? "" : `/${found.pid}@${found.startTime}`;
    known = {
      ...facts,
      incarnation: `${key.uuid}/${key.id}${life}`,
      machine: found === null ? null : openMachine(found),
    };
    openChannels(facts.definition);
    problem = null;
    onChange({ kind: "domain-arrived", domain: name });
  }
  async function reread(old: Known): Promise<void> {
    // An event that comes after the question makes its answer stale again.
    old.stale = false;
    try {
      Object.assign(old, await read(), { stale: old.stale });
      problem = null;
    } catch (error) {
      old.stale = true;
      throw error;
    }
  }
  /** One question at a time. */
  function refresh(): Promise<void> {
    if (isOver || (known !== null && !known.stale && !threadsChanged(known))) return Promise.resolve();
    refreshing ??= (known === null ? meet() : reread(known))
      .catch((error: unknown) => {
        if (error instanceof LibvirtError && error.code === NO_DOMAIN) leave();
        problem = error instanceof Error ? error.message : String(error);
        throw error;
      })
      .finally(() => {
        refreshing = null;
      });
    return refreshing;
  }
  function threadsChanged({ machine }: Known): boolean {
    return machine?.threadsChanged() ?? false;
  }

  function openChannels({ channels: paths }: LiveDefinition): void {
    const heard = () => onChange({ kind: "guest-reported", domain: name });
    const ours = paths.get(OUR_PORT);
    let agent: GuestChannel | null = null;
    // Its socket is on the machine where QEMU is.
    if (ours !== undefined && options.isLocal) {
      agent = createVbalAgentChannel({
        ...options.agent,
        path: ours,
        timers,
        onChange: heard,
        onRequest: (asked) => onChange({ kind: "guest-asked", request: { ...asked, domain: name } }),
      });
      channels.push(agent);
    }
    if (paths.has(STOCK_PORT)) {
      const call = (command: string, seconds: number, deadline: Milliseconds) =>
        ask("agentCommand", deadline, key, command, seconds);
      channels.push(
        createQemuGuestAgent({
          path: `domain ${name}`,
          transport: (parts) => libvirtAgent(parts, call),
          timers,
          isNeeded: () => agent === null || agent.word() === null,
          onChange: heard,
        }),
      );
    }
  }

  function leave(): void {
    if (isOver) return;
    isOver = true;
    close();
    if (known !== null) onChange({ kind: "domain-departed", domain: name });
    onGone();
  }
  function close(): void {
    isOver = true;
    for (const channel of channels.splice(0)) channel.close();
    known?.machine?.close();
  }
  function leaveIfDead(): void {
    if (known !== null && known.machine?.state() === null) leave();
  }
  /** The question goes on when nobody waits for it any longer. */
  function withinDeadline(question: Promise<void>, deadline: Milliseconds): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = timers.after(deadline, () =>
        reject(new CommandError("timed-out", `libvirt did not say how ${name} is within ${deadline} ms`)),
      );
      question
        .then(resolve, reject)
        .finally(cancel)
        .catch(() => undefined);
    });
  }

  const tried = refresh().catch(() => undefined);
  return {
    key,
    name,
    tried,
    isThere: () => known !== null && !isOver,
    async observe(deadline) {
      // What is wrong is kept in `problem`.
      await withinDeadline(refresh(), Math.min(deadline, OBSERVE_PATIENCE_MS)).catch(() => undefined);
      leaveIfDead();
      return known === null || isOver ? null : look(known, channels);
    },
    async demand(deadline) {
      leaveIfDead();
      if (isOver) throw new CommandError("no-such-domain", `Domain ${name} has ended`);
      await withinDeadline(refresh(), deadline);
      if (known === null || isOver) throw new CommandError("no-such-domain", `Domain ${name} has ended`);
      return known;
    },
    isPaused: () => known !== null && !runs(known),
    channels: () => channels,
    problems: () => [
      ...channels.flatMap((channel) => channel.problems()),
      ...(known?.policy.problems ?? []),
      ...(problem === null ? [] : [`libvirt does not say how ${name} is: ${problem}`]),
    ],
    definition: () => known?.definition ?? null,
    doubt() {
      if (known !== null) known.stale = true;
      leaveIfDead();
    },
    heed(event) {
      if (isOver) return;
      if (known !== null) known.stale = true;
      switch (event) {
        case "stopped":
          leave();
          return;
        case "paused":
        case "resumed":
          if (known !== null) known.state = { ...known.state, state: event === "paused" ? 3 : 1 };
          onChange({ kind: "domain-state", domain: name });
          return;
        case "reset":
          for (const channel of channels) channel.forget();
          onChange({ kind: "domain-reset", domain: name });
          return;
        case "agent":
          for (const channel of channels) channel.greet();
          return;
        case "changed":
          onChange({ kind: "domain-state", domain: name });
      }
    },
    close,
  };
}

function look(known: Known, channels: readonly GuestChannel[]): DomainObservation {
  const { definition, machine } = known;
  const id = definition.name;
  const word = channels.map((channel) => channel.word()).find((said) => said !== null) ?? null;
  const plugged = definition.vcpus.filter((vcpu) => vcpu.plugged);
  return {
    snapshot: {
      id,
      incarnation: known.incarnation,
      state: runs(known) ? "running" : "paused",
      vcpus: plugged.map(({ index, guestSocket, guestCore, guestThread, guestNode, removable }) => ({
        index,
        pins: machine === null ? (known.believedPins[index] ?? null) : machine.vcpuPins(index),
        guestSocket,
        guestCore,
        guestThread,
        guestNode,
        ...(removable ? { removable } : {}),
      })),
      ...(definition.memory.length === 0 ? {} : { memory: definition.memory }),
      emulatorPins: machine === null ? known.believedEmulatorPins : machine.otherPins(),
      guest: word?.report ?? null,
    },
    usage:
      machine === null
        ? null
        : {
            domain: id,
            vcpus: plugged.map(({ index }) => ({
              index,
              ...machine.vcpuUsage(index),
              steal: word?.steal.get(index) ?? null,
            })),
          },
    defined: { domain: id, fields: known.policy.fields },
    preflight: (word?.preflight ?? []).map((finding) => ({ domain: id, ...finding })),
  };
}

/** A process stopped by a signal runs no guest, whatever libvirt said last; nor is one touched that is being moved or saved. */
function runs({ state, job, machine }: Known): boolean {
  return RUNS.has(state.state) && job === 0 && !/[Tt]/.test(machine?.state()?.letter ?? "");
}

/** Drivers without jobs have none under way. */
function orNoJob(error: unknown): number {
  if (error instanceof LibvirtError && error.code !== NO_DOMAIN) return 0;
  throw error;
}
