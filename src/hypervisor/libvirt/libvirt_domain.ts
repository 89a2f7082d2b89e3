/**
 * One running domain of libvirt's. What libvirt said is kept and asked for again only when an event, or the list of its
 * threads, shows that it may have changed; on the same machine all else is read from /proc at each observation, so that
 * a libvirt that hangs or restarts delays nothing and hides nothing.
 */
import type { VcpuSlot } from "../../core/model.ts";
import type { DomainId, Milliseconds, VcpuIndex } from "../../core/units.ts";
import type { GuestChannel } from "../guest/guest_channel.ts";
import { createQemuGuestAgent } from "../guest/qemu_guest_agent.ts";
import { createVbalAgentChannel, type VbalAgentPace } from "../guest/vbal_agent_channel.ts";
import { CommandError, type HypervisorChange, type MonitorSettings } from "../port.ts";
import type { Timers } from "../timers.ts";
import { definedPolicy } from "./domain_policy.ts";
import {
  contradictionsOf,
  type DomainObservation,
  disagreements,
  forgetNumbers,
  freeSlotsOf,
  type KnownDomain,
  look,
  runs,
} from "./known_domain.ts";
import { libvirtAgent } from "./libvirt_agent.ts";
import { type DomainKey, type LibvirtCalls, LibvirtError, NO_DOMAIN } from "./libvirt_calls.ts";
import { type LiveDefinition, parseLiveDefinition } from "./live_definition.ts";
import { findMachineProcess, openMachine } from "./machine_process.ts";
import { orNoJob } from "./pin_domain.ts";
import { createVcpuHotplug } from "./vcpu_hotplug.ts";

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
  /** The shares of a domain that names none. */
  readonly sharesDefault: number;
  readonly agent: VbalAgentPace;
  readonly timers: Timers;
  /** How the load monitor of its guest is to work, where somebody said so. */
  readonly monitor: () => MonitorSettings | null;
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
  plug(slot: VcpuSlot, signal: AbortSignal): Promise<VcpuIndex>;
  unplug(vcpu: VcpuIndex, signal: AbortSignal): Promise<void>;
  /** What the guest's kernel said of a plug or unplug. */
  heedKernel(text: string): void;
  /** Resolves when it has been asked about once, with or without success. */
  readonly tried: Promise<void>;
  close(): void;
}

export type DomainEvent = "paused" | "resumed" | "stopped" | "reset" | "changed" | "agent";

/** libvirt answers within milliseconds when it is well. */
const ASK_DEADLINE_MS: Milliseconds = 5_000;
/** An observation waits no longer for one domain: what was known before is good enough until the next one. */
const OBSERVE_PATIENCE_MS: Milliseconds = 250;
export const OUR_PORT = "org.vbal.agent.0";
export const STOCK_PORT = "org.qemu.guest_agent.0";

export function createLibvirtDomain(options: LibvirtDomainOptions): LibvirtDomain {
  const { key, name, ask, timers, onChange, onGone } = options;
  const channels: GuestChannel[] = [];
  let known: KnownDomain | null = null;
  let isOver = false;
  let problem: string | null = null;
  let refreshing: Promise<void> | null = null;

  /** Asks for everything that may change, and for the definition. */
  async function read(): Promise<Omit<KnownDomain, "incarnation" | "machine" | "numbers" | "fight">> {
    const definition = parseLiveDefinition(await ask("xml", ASK_DEADLINE_MS, key));
    const kernelsPins = () => definition.vcpus.map(({ index }) => known?.machine?.vcpuPins(index) ?? null);
    const before = kernelsPins();
    const [state, job, believedPins, believedEmulatorPins] = await Promise.all([
      ask("state", ASK_DEADLINE_MS, key),
      ask("job", ASK_DEADLINE_MS, key).catch(orNoJob),
      ask("vcpuPins", ASK_DEADLINE_MS, key, definition.vcpus.length),
      ask("emulatorPins", ASK_DEADLINE_MS, key),
    ]);
    const policy = definedPolicy(definition, options.sharesDefault);
    const freeSlots = freeSlotsOf(definition);
    const disagreeing = disagreements(believedPins, before, kernelsPins());
    const believed = { believedPins, believedEmulatorPins, disagreeing };
    return { key, definition, policy, freeSlots, state, job, ...believed, stale: false };
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
      numbers: new Map(),
      fight: null,
      incarnation: `${key.uuid}/${key.id}${life}`,
      machine: found === null ? null : openMachine(found),
    };
    openChannels(facts.definition);
    problem = null;
    onChange({ kind: "domain-arrived", domain: name });
  }
  async function reread(old: KnownDomain): Promise<void> {
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
        if (isNoDomain(error)) leaveUnlessAlive();
        problem = error instanceof Error ? error.message : String(error);
        throw error;
      })
      .finally(() => {
        refreshing = null;
      });
    return refreshing;
  }
  function threadsChanged({ machine }: KnownDomain): boolean {
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
    const monitor = options.monitor();
    if (monitor !== null) for (const channel of channels) channel.setMonitor(monitor);
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
  /** libvirt says that it is gone. On this machine the process knows best: a libvirt that restarts may list nobody yet. */
  function leaveUnlessAlive(): void {
    if (known?.machine == null) leave();
    else leaveIfDead();
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

  async function demand(deadline: Milliseconds): Promise<KnownDomain> {
    leaveIfDead();
    if (isOver) throw new CommandError("no-such-domain", `Domain ${name} has ended`);
    await withinDeadline(refresh(), deadline);
    if (known === null || isOver) throw new CommandError("no-such-domain", `Domain ${name} has ended`);
    return known;
  }
  function isPaused(): boolean {
    return known !== null && !runs(known);
  }

  const hotplug = createVcpuHotplug({
    ask,
    timers,
    channels,
    isPaused,
    async demand() {
      if (known !== null) known.stale = true;
      return demand(ASK_DEADLINE_MS);
    },
  });
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
    demand,
    isPaused,
    plug: (slot, signal) => hotplug.plug(slot, signal),
    unplug: (vcpu, signal) => hotplug.unplug(vcpu, signal),
    heedKernel: (text) => hotplug.heed(text),
    channels: () => channels,
    problems: () => [
      ...channels.flatMap((channel) => channel.problems()),
      ...(known === null ? [] : contradictionsOf(known)),
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
          leaveUnlessAlive();
          return;
        case "paused":
        case "resumed":
          if (known !== null) known.state = { ...known.state, state: event === "paused" ? 3 : 1 };
          onChange({ kind: "domain-state", domain: name });
          return;
        case "reset":
          if (known !== null) forgetNumbers(known);
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

function isNoDomain(error: unknown): boolean {
  if (error instanceof CommandError) return error.failure === "no-such-domain";
  return error instanceof LibvirtError && error.code === NO_DOMAIN;
}
