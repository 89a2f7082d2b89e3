/**
 * Random stories with faults and restarts. While there are faults nothing may break (safety); when they have ended, the
 * host comes to the plan within a bounded time, the journal replays, and a clean stop restores what was found first.
 */
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { GROWTH_GIVEN_UP_FOR_MS, RETRY_AFTER_MAX_MS } from "../core/controller.ts";
import type { Snapshot } from "../core/model.ts";
import type { Hypervisor } from "../hypervisor/port.ts";
import type { GuestBehaviour } from "../hypervisor/simulated/world.ts";
import { DaemonWorld } from "./daemon_world_suite.ts";
import { replay } from "./replay.ts";

const PCPUS = 4;
const SEED = 9_164_809;
const RUNS = 25;
/** Looks: the longest pause before a command is tried again, a growth that was given up, and the change itself. */
const CONVERGED_WITHIN_MS = RETRY_AFTER_MAX_MS + GROWTH_GIVEN_UP_FOR_MS + 30_000;

type Happening =
  | {
      readonly kind: "arrive";
      readonly vcpus: number;
      readonly guest: GuestBehaviour;
      readonly bootMs: number;
    }
  | {
      readonly kind: "depart" | "reset" | "pause" | "resume" | "plug" | "guest-onlines";
      readonly which: number;
    }
  | { readonly kind: "behave"; readonly which: number; readonly guest: GuestBehaviour }
  | { readonly kind: "weigh"; readonly which: number; readonly weight: number; readonly managed: boolean }
  | { readonly kind: "pcpu"; readonly pcpu: number; readonly online: boolean }
  | { readonly kind: "restart"; readonly awayMs: number };

const guest = fc.constantFrom<GuestBehaviour>(
  "obedient",
  "obedient",
  "slow",
  "stuck",
  "refusing",
  "silent",
  "flapping",
);
const which = fc.nat({ max: 5 });
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("arrive" as const),
      vcpus: fc.integer({ min: 1, max: 5 }),
      guest,
      bootMs: fc.constantFrom(0, 0, 3_000),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom("depart", "reset", "pause", "resume", "plug", "guest-onlines"),
      which,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("behave" as const), which, guest }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("weigh" as const),
      which,
      weight: fc.integer({ min: 1, max: 1_000 }),
      managed: fc.constantFrom(true, true, true, false),
    }),
  },
  // pCPU 0 stays, as on a real host.
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("pcpu" as const),
      pcpu: fc.integer({ min: 1, max: PCPUS - 1 }),
      online: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("restart" as const), awayMs: fc.constantFrom(0, 500, 8_000) }),
  },
);
const story = fc.array(fc.tuple(happening, fc.constantFrom(0, 250, 500, 1_000, 4_000)), {
  minLength: 3,
  maxLength: 25,
});

let world: DaemonWorld | null = null;

afterEach(async () => {
  await world?.dispose();
});

test("any story: safe while there are faults, right soon after them, and without a trace in the end", async () => {
  console.info(`Seed ${SEED}, ${RUNS} stories`);
  await fc.assert(
    fc.asyncProperty(story, async (happenings) => {
      const faults: string[] = [];
      const mine = new DaemonWorld({
        pcpus: PCPUS,
        looksUntilAllSeen: 2,
        between: (door) => watched(door, faults),
      });
      world = mine;
      try {
        await play(mine, happenings);
        expect(faults).toEqual([]);
      } finally {
        await mine.dispose();
      }
    }),
    { seed: SEED, numRuns: RUNS, endOnFailure: false },
  );
}, 120_000);

/** Safety, at the door: what the daemon asks for must be right by what it saw last. */
function watched(door: Hypervisor, faults: string[]): Hypervisor {
  const see = (id: string) => world!.seen?.domains.find((domain) => domain.id === id);
  return {
    ...door,
    pinVcpu(id, vcpu, pcpus, deadline) {
      const held = see(id)?.vcpus.find(({ index }) => index === vcpu)?.pins ?? [];
      const circle = world!.texts.some((text) => text.startsWith(`${id}: vCPU ${vcpu} goes to pCPU`));
      for (const gained of pcpus.filter((pcpu) => !held.includes(pcpu))) {
        for (const other of circle ? [] : leavers(gained, id)) {
          faults.push(`${id}.${vcpu} was given pCPU ${gained} before ${other} had left it`);
        }
      }
      return door.pinVcpu(id, vcpu, pcpus, deadline);
    },
    setOnline(id, online, mechanism, deadline) {
      const seen = see(id);
      if (!online.includes(0)) faults.push(`${id} was asked to do without vCPU 0`);
      if (seen?.guest === null) faults.push(`${id} is silent and was asked for ${online.join(",")}`);
      if (seen?.state === "paused") faults.push(`${id} is paused and was asked for ${online.join(",")}`);
      return door.setOnline(id, online, mechanism, deadline);
    },
  };
}

/** vCPUs of other planned domains that were last seen on this pCPU and should not be there. */
function leavers(pcpu: number, of: string): string[] {
  const planned = world!.daemon.plan().domains;
  return planned.flatMap(({ name, vcpus }) => {
    const seen = name === of ? undefined : world!.seen?.domains.find(({ id }) => id === name);
    return vcpus
      .filter(({ index, pcpus }) => {
        const pins = seen?.vcpus.find((vcpu) => vcpu.index === index)?.pins;
        return !pcpus.includes(pcpu) && (pins?.includes(pcpu) ?? false);
      })
      .map(({ index }) => `${name}.${index}`);
  });
}

async function play(mine: DaemonWorld, happenings: readonly (readonly [Happening, number])[]): Promise<void> {
  const { host } = mine;
  let arrived = 0;
  const there = async (number: number) => {
    const { domains } = await mine.truth();
    return domains.length === 0 ? undefined : domains[number % domains.length]!;
  };
  await mine.start();
  for (const [happens, thenMs] of happenings) {
    const domain = "which" in happens ? await there(happens.which) : undefined;
    if (happens.kind === "arrive") {
      const { vcpus, guest: guestIs, bootMs } = happens;
      host.arrive({ id: `d${arrived++}`, vcpus, guest: guestIs, bootMs });
    } else if (happens.kind === "pcpu") {
      if (happens.online) host.pcpuOnline(happens.pcpu);
      else host.pcpuOffline(happens.pcpu);
    } else if (happens.kind === "restart") {
      await mine.kill();
      await mine.pass(happens.awayMs);
      await mine.start();
    } else if (domain !== undefined) {
      happenTo(mine, happens, domain);
    }
    await mine.pass(thenMs);
  }

  // The faults end.
  for (let pcpu = 0; pcpu < PCPUS; pcpu++) host.pcpuOnline(pcpu);
  const { domains } = await mine.truth();
  for (const { id, state } of domains) {
    if (state === "paused") host.resume(id);
    host.behave(id, "obedient");
    mine.daemon.setDomain(id, { managed: true });
  }
  await mine.pass(CONVERGED_WITHIN_MS);
  const plan = mine.daemon.plan();
  for (const { name, vcpus } of plan.domains) {
    const planned = { name, pins: vcpus.map(({ pcpus }) => pcpus), online: indices(vcpus) };
    expect({ name, pins: await mine.pins(name), online: await mine.online(name) }).toEqual(planned);
  }
  expect(plan.domains.map(({ name }) => name)).toEqual((await mine.truth()).domains.map(({ id }) => id));

  expect(await mine.stop()).toEqual([]);
  expect(pinsOf(await mine.truth())).toEqual(everywhere(await mine.truth()));
  for (const records of mine.journals()) expect(replay(records, "start").differences).toEqual([]);
}

function happenTo(
  { host, daemon }: DaemonWorld,
  happens: Extract<Happening, { readonly which: number }>,
  { id, vcpus, state }: Snapshot["domains"][number],
): void {
  switch (happens.kind) {
    case "depart":
      host.depart(id);
      break;
    case "reset":
      host.reset(id);
      break;
    case "pause":
      host.pause(id);
      break;
    case "resume":
      if (state === "paused") host.resume(id);
      break;
    case "plug":
      host.plugVcpu(id);
      break;
    case "guest-onlines":
      host.guestOnlines(
        id,
        vcpus.map(({ index }) => index),
      );
      break;
    case "behave":
      host.behave(id, happens.guest);
      break;
    case "weigh":
      daemon.setDomain(id, { weight: happens.weight, managed: happens.managed });
  }
}

function indices(vcpus: readonly { readonly index: number; readonly online: boolean }[]): number[] {
  return vcpus.filter(({ online }) => online).map(({ index }) => index);
}

function pinsOf({ domains }: Snapshot): object {
  return domains.map(({ id, vcpus, emulatorPins }) => ({
    id,
    emulatorPins,
    pins: vcpus.map(({ pins }) => pins),
  }));
}

/** Nobody but vbal pins anything in these stories. */
function everywhere({ domains }: Snapshot): object {
  const all = Array.from({ length: PCPUS }, (_, id) => id);
  return domains.map(({ id, vcpus }) => ({ id, emulatorPins: all, pins: vcpus.map(() => all) }));
}
