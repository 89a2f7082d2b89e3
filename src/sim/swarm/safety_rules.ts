/**
 * What must hold after every step, whatever befalls the host: ARCHITECTURE.md's invariants as questions to one step,
 * asked of the last observation and the plan alone, in other words than the controller's own.
 */
import type { ControllerState } from "../../core/controller_state.ts";
import type { DomainSnapshot } from "../../core/model.ts";
import type { DomainPlan } from "../../core/plan.ts";
import { type Policy, policyOf } from "../../core/policy.ts";
import { MILLI_PER_PCPU } from "../../core/units.ts";
import type { CommandAction, StepTaken } from "../controller/simulated_shell.ts";

/** A sentence for each rule that this step breaks. */
export function brokenRules({ event, step, policy }: StepTaken): string[] {
  const { state } = step;
  const broken: string[] = [];
  const commands = step.actions.filter((action): action is CommandAction => "id" in action);
  // Of the end of a command nothing follows: the old plan stands until the look that is told at the same moment.
  if (event.kind === "command-ended")
    return commands.map(
      ({ kind }) => `Invariant 5: ${kind} before a look showed what came of the last command`,
    );
  const keys = state.underWay.map(({ command }) => {
    if (command.kind === "plug-vcpu")
      return `${command.kind} ${command.domain} ${command.slot.guestSocket}-${command.slot.guestCore}`;
    if (command.kind === "pin-vcpu" || command.kind === "unplug-vcpu")
      return `${command.kind} ${command.domain} ${command.vcpu}`;
    return `${command.kind} ${command.domain}`;
  });
  if (policy.mode === "observe" && state.mode === "controlling" && 0 < commands.length)
    broken.push(`In observe mode ${commands.map(({ kind }) => kind).join(", ")}`);
  if (new Set(keys).size < keys.length)
    broken.push(`Two commands about one thing are under way: ${keys.join(", ")}`);
  for (const command of commands) broken.push(...commandFaults(command, { state, policy }));
  if (state.mode === "controlling" && state.plan !== null) {
    const circles = step.notes.filter(({ code }) => code === "circle-broken").length;
    const taken = commands.flatMap((command) => stolenBy(command, state));
    if (circles < new Set(taken.map(({ thief }) => thief)).size)
      broken.push(`Invariant 3: ${taken.map(({ text }) => text).join("; ")}`);
    broken.push(...planFaults(state, policy), ...demandFaults(state));
  }
  return broken;
}

interface Circumstances {
  readonly state: ControllerState;
  readonly policy: Policy;
}

function commandFaults(command: CommandAction, { state, policy }: Circumstances): string[] {
  const seen = state.snapshot?.domains.find(({ id }) => id === command.domain);
  const about = `${command.kind} of ${command.domain}`;
  if (seen === undefined) return [`Invariant 5: ${about}, which was not observed`];
  switch (command.kind) {
    case "pin-emulator":
      return seen.emulatorPins === null ? [`Invariant 5: ${about}, whose pins were not read`] : [];
    case "pin-vcpu": {
      const online = new Set(state.snapshot?.pcpus.filter((pcpu) => pcpu.online).map(({ id }) => id));
      const faults: string[] = [];
      if (seen.vcpus.find(({ index }) => index === command.vcpu)?.pins == null)
        faults.push(`Invariant 5: ${about}.${command.vcpu}, whose pins were not read`);
      if (command.pcpus.length === 0 || !command.pcpus.every((pcpu) => online.has(pcpu)))
        faults.push(`${about}.${command.vcpu} to ${command.pcpus.join(",")}, not all of them online`);
      return faults;
    }
    case "set-online":
      return setOnlineFaults(command, seen, { state, policy });
    case "plug-vcpu": {
      const isFree = seen.freeSlots?.some((slot) => JSON.stringify(slot) === JSON.stringify(command.slot));
      const faults = isFree === true ? [] : [`${about} in a slot that was not seen free`];
      if (!policyOf(policy, command.domain).plug && state.mode === "controlling")
        faults.push(`${about}, which the administrator forbids`);
      return faults;
    }
    case "unplug-vcpu": {
      const vcpu = seen.vcpus.find(({ index }) => index === command.vcpu);
      const isUsed = seen.guest?.vcpus.find(({ index }) => index === command.vcpu)?.online === true;
      if (vcpu?.removable !== true) return [`${about}.${command.vcpu}, which was there at boot`];
      return isUsed ? [`Pitfall 1: ${about}.${command.vcpu}, which its guest uses`] : [];
    }
  }
}

function setOnlineFaults(
  command: Extract<CommandAction, { kind: "set-online" }>,
  seen: DomainSnapshot,
  { state, policy }: Circumstances,
): string[] {
  const about = `${command.domain} asked for ${command.online.join(",")}`;
  if (seen.guest === null || seen.state !== "running")
    return [`Invariant 5: ${about}, though it is silent or paused`];
  const faults: string[] = [];
  if (!command.online.includes(0)) faults.push(`Invariant 4: ${about}, without vCPU 0`);
  const has = new Set(seen.guest.vcpus.filter(({ online }) => online).map(({ index }) => index));
  const plan = planOf(state, command.domain);
  // A domain that is let go is asked for what was found, wherever its vCPUs are.
  if (plan === undefined || state.mode === "releasing") return faults;
  const least = Math.min(policyOf(policy, command.domain).vcpusMin, has.size, plan.target);
  // It may be below its minimum for a moment only when none that it should have is in its place yet.
  const canGrow = plan.vcpus.some(
    ({ index, online, pcpus }) =>
      online &&
      !has.has(index) &&
      String(seen.vcpus.find((vcpu) => vcpu.index === index)?.pins) === String(pcpus) &&
      !command.online.includes(index),
  );
  if (canGrow && command.online.length < least)
    faults.push(`Invariant 4: ${about}, below its minimum of ${least}`);
  for (const index of command.online) {
    if (has.has(index)) continue;
    const pins = seen.vcpus.find((vcpu) => vcpu.index === index)?.pins ?? null;
    const planned = plan.vcpus.find((vcpu) => vcpu.index === index)?.pcpus;
    if (pins === null || String(pins) !== String(planned))
      faults.push(
        `Invariant 3: ${about}, though vCPU ${index} is on ${String(pins)} and belongs on ${String(planned)}`,
      );
  }
  return faults;
}

/** The pCPUs that this pin gives while a vCPU of another domain, which should leave, was last seen there. */
function stolenBy(command: CommandAction, state: ControllerState): { thief: string; text: string }[] {
  if (command.kind !== "pin-vcpu" || planOf(state, command.domain) === undefined) return [];
  const held = vcpuOf(state, command.domain, command.vcpu)?.pins ?? [];
  const thief = `${command.domain}.${command.vcpu}`;
  const gains = command.pcpus.filter((pcpu) => !held.includes(pcpu));
  return (state.plan?.domains ?? [])
    .filter(({ id }) => id !== command.domain)
    .flatMap(({ id, vcpus }) =>
      vcpus.flatMap(({ index, pcpus }) =>
        gains
          .filter((pcpu) => !pcpus.includes(pcpu) && isOrComes(state, { domain: id, vcpu: index, pcpu }))
          .map((pcpu) => ({ thief, text: `${thief} was given pCPU ${pcpu} before ${id}.${index} had left` })),
      ),
    );
}

/** It was seen there, or a command that sends it there has not ended. */
function isOrComes(state: ControllerState, at: { domain: string; vcpu: number; pcpu: number }): boolean {
  const { domain, vcpu, pcpu } = at;
  if (vcpuOf(state, domain, vcpu)?.pins?.includes(pcpu)) return true;
  return state.underWay.some(
    ({ command }) =>
      command.kind === "pin-vcpu" &&
      command.domain === domain &&
      command.vcpu === vcpu &&
      command.pcpus.includes(pcpu),
  );
}

function planFaults(state: ControllerState, policy: Policy): string[] {
  const plan = state.plan!;
  const { snapshot } = state;
  const faults: string[] = [];
  const apart = policy.emulatorPcpus ?? [];
  const pool = (snapshot?.pcpus ?? []).filter(({ id, online }) => online && !apart.includes(id));
  const isOld = state.absent.some(({ awaited }) => awaited);
  const due = plan.domains.reduce((sum, { entitlement }) => sum + entitlement, 0);
  if (!isOld && pool.length * MILLI_PER_PCPU < due)
    faults.push(`Invariant 4: ${due} milli-pCPU are promised, there are ${pool.length} pCPUs`);
  for (const { id, vcpus, target, reasons } of plan.domains) {
    if (vcpus[0]?.online !== true) faults.push(`Invariant 4: vCPU 0 of ${id} is planned offline`);
    if (vcpus.some(({ pcpus }) => pcpus.length === 0)) faults.push(`A vCPU of ${id} is planned nowhere`);
    if (reasons.length === 0) faults.push(`Invariant 8: the plan of ${id} has no reason`);
    const memory = state.domains.find((domain) => domain.id === id);
    const { vcpusMin } = policyOf(policy, id);
    // A vCPU that is being unplugged is none any more.
    const going = state.underWay.filter(
      ({ command }) => command.kind === "unplug-vcpu" && command.domain === id,
    );
    const plugged = vcpus.length - going.length;
    const least = Math.min(vcpusMin, plugged, memory?.growthGivenUp?.vcpus ?? plugged);
    const seen = snapshot?.domains.find((domain) => domain.id === id);
    // Nothing is asked of a guest that is silent or paused: it is planned with what it had when that was found.
    if (!isOld && seen?.guest != null && seen.state === "running" && target < least)
      faults.push(`Invariant 4: ${id} is planned with ${target} vCPUs, its minimum is ${least}`);
  }
  return faults;
}

/** No more than the vCPUs that a guest of the swarm can have, and than the answers that are kept. */
const REMEMBERED_MAX = 16;

/** Whoever asks: nobody has less than it wants of its own, and what a guest can make vbal remember is bounded. */
function demandFaults({ domains, dues, snapshot, absent }: ControllerState): string[] {
  const faults: string[] = [];
  // Nothing is decided as long as domains of an earlier life are awaited.
  if (absent.some(({ awaited }) => awaited)) return faults;
  const managed = new Set(dues?.domains.map(({ id }) => id));
  let [allotted, due] = [0, 0];
  for (const { id, demand } of domains) {
    if (demand == null || !managed.has(id)) continue;
    allotted += demand.allotted;
    due += demand.due;
  }
  if (dues !== null && Math.max(dues.capacity, due) < allotted)
    faults.push(`${allotted} vCPUs are allotted on ${dues.capacity} pCPUs, ${due} are due`);
  for (const { id, demand, plugged = [] } of domains) {
    if (demand == null || !managed.has(id)) continue;
    const guest = snapshot?.domains.find((domain) => domain.id === id)?.guest;
    if (demand.allotted < Math.min(demand.wants, demand.due))
      faults.push(`${id} wants ${demand.wants}, is due ${demand.due} and may use ${demand.allotted} vCPUs`);
    if (guest != null && guest.asks !== true && demand.allotted !== demand.due)
      faults.push(`${id} cannot ask, is due ${demand.due} and may use ${demand.allotted} vCPUs`);
    const { answers, granted, use } = demand;
    const things = Math.max(answers.length, granted.length, use.climbs.length, plugged.length);
    if (REMEMBERED_MAX < things) faults.push(`${id} makes vbal remember ${things} things of a kind`);
  }
  return faults;
}

function planOf(state: ControllerState, id: string): DomainPlan | undefined {
  return state.plan?.domains.find((domain) => domain.id === id);
}

function vcpuOf(state: ControllerState, id: string, index: number) {
  return state.snapshot?.domains.find((domain) => domain.id === id)?.vcpus.find((v) => v.index === index);
}
