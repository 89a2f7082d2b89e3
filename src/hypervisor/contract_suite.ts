/**
 * What every adapter promises, as one suite. An adapter's own test gives a fixture: the adapter, and a hand that
 * makes things happen on its host. Nothing here knows which host it is; all waiting goes through `pass`.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DomainSnapshot } from "../core/model.ts";
import type { DomainId, Milliseconds, PcpuId, VcpuIndex } from "../core/units.ts";
import { type ContractHand, describeAsking, describePlugging } from "./contract_hotplug_suite.ts";
import { CommandError, type CommandFailure, type Hypervisor, type HypervisorChange } from "./port.ts";

export interface ContractFixture {
  /** Not started yet. */
  readonly hypervisor: Hypervisor;
  /** A second connection to the same host, not started yet. */
  connectAgain(): Hypervisor;
  /** Starts a domain. `obedient`: its guest has an agent that does as told; `silent`: it has none. */
  arrive(
    domain: DomainId,
    spec: {
      readonly vcpus: number;
      /** vCPUs can be plugged up to so many; the same as `vcpus` where not given. */
      readonly vcpusMax?: number;
      readonly guest: "obedient" | "silent";
    },
  ): Promise<void>;
  /** For adapters that plug vCPUs, or whose guests ask for them. */
  readonly guests?: GuestHand;
  /** Ends the domain's process at once. */
  kill(domain: DomainId): Promise<void>;
  reset(domain: DomainId): Promise<void>;
  pause(domain: DomainId): Promise<void>;
  resume(domain: DomainId): Promise<void>;
  /** What the host itself says of a vCPU's affinity, not read through the adapter. */
  truePins(domain: DomainId, vcpu: VcpuIndex): Promise<readonly PcpuId[]>;
  /** Lets so much of the host's time pass. */
  pass(duration: Milliseconds): Promise<void>;
  /** Ends every domain and lets go of everything; called after each test. */
  dispose(): Promise<void>;
}

/** What happens inside the guests. */
export interface GuestHand {
  /** Resolves when the guest's kernel is up. */
  booted(domain: DomainId): Promise<void>;
  /** From now on the guest keeps every vCPU that it uses, until the returned function is called. */
  hold(domain: DomainId): Promise<() => Promise<void>>;
  /** A person in the guest asks for a vCPU on this node; `heard` is all that came back so far. */
  ask(domain: DomainId, node: number): Promise<{ heard(): Promise<string> }>;
}

export interface ContractOptions {
  /** How long a guest may take to boot and to follow, on this host. */
  readonly patienceMs: Milliseconds;
  /** For one test, on the wall's clock. */
  readonly timeoutMs: Milliseconds;
  /** It plugs vCPUs; needs `guests` of the fixture, as the next. */
  readonly plugs?: boolean;
  /** Requests and measures of its guests reach it. */
  readonly asks?: boolean;
}

const STEP_MS = 20;
/** A busy machine may keep a monitor waiting; nothing here takes so long. */
const DEADLINE_MS = 10_000;
/** For what never comes, while others go on. */
const SILENCE_MS = 3_000;
const SHORT_DEADLINE_MS = 300;

export function describeHypervisorContract(
  name: string,
  makeFixture: () => Promise<ContractFixture>,
  { patienceMs, timeoutMs, plugs, asks }: ContractOptions,
): void {
  describe(`the ${name} adapter keeps the port's contract`, { timeout: timeoutMs }, () => {
    let fixture: ContractFixture;
    let hypervisor: Hypervisor;
    let changes: HypervisorChange[];

    beforeEach(async () => {
      fixture = await makeFixture();
      hypervisor = fixture.hypervisor;
      changes = [];
      await hypervisor.start((change) => void changes.push(change));
    }, timeoutMs);
    afterEach(async () => {
      await hypervisor.close();
      await fixture.dispose();
    }, timeoutMs);

    describe("seeing", () => {
      test("the host's topology: at least one pCPU, ids ascending and unique", async () => {
        const { pcpus } = (await observe()).snapshot;
        const ids = pcpus.map((pcpu) => pcpu.id);
        expect(ids.length).toBeGreaterThan(0);
        expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
        expect(pcpus.some((pcpu) => pcpu.online)).toBe(true);
      });

      test("a domain arrives: hinted, and seen with all its vCPUs on all pCPUs", async () => {
        await fixture.arrive("a", { vcpus: 2, guest: "silent" });
        const domain = await seen("a");
        expect(changes).toContainEqual({ kind: "domain-arrived", domain: "a" });
        expect(domain.state).toBe("running");
        expect(domain.vcpus.map((vcpu) => vcpu.index)).toEqual([0, 1]);
        expect(new Set(domain.vcpus.map(place)).size).toBe(2);
        const online = await onlinePcpus();
        for (const vcpu of domain.vcpus) expect(vcpu.pins).toEqual(online);
        expect(domain.emulatorPins).toEqual(online);
      });

      test("domains are listed by id, whatever the order of their coming", async () => {
        await fixture.arrive("b", { vcpus: 1, guest: "silent" });
        await fixture.arrive("a", { vcpus: 1, guest: "silent" });
        await seen("a");
        await seen("b");
        const { snapshot, usage } = await observe();
        expect(snapshot.domains.map((domain) => domain.id)).toEqual(["a", "b"]);
        expect(usage.map((entry) => entry.domain)).toEqual(["a", "b"]);
      });

      test("a domain departs: hinted, and gone from the next observation; the other stays", async () => {
        await fixture.arrive("a", { vcpus: 1, guest: "silent" });
        await fixture.arrive("b", { vcpus: 1, guest: "silent" });
        await seen("a");
        await seen("b");
        await fixture.kill("a");
        await hinted({ kind: "domain-departed", domain: "a" });
        const { snapshot } = await observe();
        expect(snapshot.domains.map((domain) => domain.id)).toEqual(["b"]);
      });

      test("a domain started anew under its old name is another incarnation", async () => {
        await fixture.arrive("a", { vcpus: 1, guest: "silent" });
        const before = await seen("a");
        await fixture.kill("a");
        await hinted({ kind: "domain-departed", domain: "a" });
        await fixture.arrive("a", { vcpus: 1, guest: "silent" });
        expect((await seen("a")).incarnation).not.toBe(before.incarnation);
      });

      test("a guest that is reset is hinted, and its domain stays the same incarnation with the same pins", async () => {
        await fixture.arrive("a", { vcpus: 2, guest: "silent" });
        await seen("a");
        const [first] = await onlinePcpus();
        await settle(hypervisor.pinVcpu("a", 1, [first!], DEADLINE_MS));
        const before = await seen("a");
        await fixture.reset("a");
        await hinted({ kind: "domain-reset", domain: "a" });
        const { incarnation, vcpus } = await seen("a");
        expect({ incarnation, vcpus }).toEqual({ incarnation: before.incarnation, vcpus: before.vcpus });
      });

      test("a paused domain is seen as paused until it is resumed", async () => {
        await fixture.arrive("a", { vcpus: 1, guest: "silent" });
        await seen("a");
        await fixture.pause("a");
        await hinted({ kind: "domain-state", domain: "a" });
        expect((await seen("a")).state).toBe("paused");
        await fixture.resume("a");
        await until("a runs again", async () => (await seen("a")).state === "running");
      });

      test("usage counters only grow, and name pCPUs of the host", async () => {
        await fixture.arrive("a", { vcpus: 2, guest: "silent" });
        await seen("a");
        const first = (await observe()).usage[0]!;
        await fixture.pass(10 * STEP_MS);
        const second = (await observe()).usage[0]!;
        const online = await onlinePcpus();
        for (const [index, vcpu] of second.vcpus.entries()) {
          expect(vcpu.index).toBe(index);
          expect(first.vcpus[index]!.run!).toBeLessThanOrEqual(vcpu.run!);
          expect(first.vcpus[index]!.wait!).toBeLessThanOrEqual(vcpu.wait!);
          expect(first.vcpus[index]!.dispatches!).toBeLessThanOrEqual(vcpu.dispatches!);
          expect(online).toContain(vcpu.lastPcpu);
        }
      });

      test("a silent guest is null in the snapshot, the domain is there all the same", async () => {
        await fixture.arrive("a", { vcpus: 2, guest: "silent" });
        expect((await seen("a")).guest).toBeNull();
      });
    });

    describe("pinning", () => {
      test("B-18: a vCPU is pinned, read back, and it is true; the other is untouched", async () => {
        await fixture.arrive("a", { vcpus: 2, guest: "silent" });
        await seen("a");
        const [first] = await onlinePcpus();
        await settle(hypervisor.pinVcpu("a", 1, [first!], DEADLINE_MS));
        expect((await seen("a")).vcpus.map((vcpu) => vcpu.pins)).toEqual([await onlinePcpus(), [first]]);
        expect(await fixture.truePins("a", 1)).toEqual([first]);
        expect(await fixture.truePins("a", 0)).toEqual(await onlinePcpus());
      });

      test("pitfall 22: the emulator's threads are pinned apart from the vCPUs", async () => {
        await fixture.arrive("a", { vcpus: 2, guest: "silent" });
        await seen("a");
        const last = (await onlinePcpus()).at(-1)!;
        await settle(hypervisor.pinEmulator("a", [last], DEADLINE_MS));
        const domain = await seen("a");
        expect(domain.emulatorPins).toEqual([last]);
        expect(domain.vcpus[0]!.pins).toEqual(await onlinePcpus());
      });

      test("a paused domain can be pinned", async () => {
        await fixture.arrive("a", { vcpus: 1, guest: "silent" });
        await seen("a");
        await fixture.pause("a");
        const [first] = await onlinePcpus();
        await settle(hypervisor.pinVcpu("a", 0, [first!], DEADLINE_MS));
        expect(await fixture.truePins("a", 0)).toEqual([first]);
      });

      test("commands on one domain take effect in the order of the calls", async () => {
        await fixture.arrive("a", { vcpus: 1, guest: "silent" });
        await seen("a");
        const online = await onlinePcpus();
        const done: number[] = [];
        const all = [...online, ...online].map((pcpu, order) =>
          hypervisor.pinVcpu("a", 0, [pcpu], DEADLINE_MS).then(() => done.push(order)),
        );
        await settle(Promise.all(all));
        expect(done).toEqual(all.map((_, order) => order));
        expect(await fixture.truePins("a", 0)).toEqual([online.at(-1)]);
      });
    });

    describe("refusing what cannot be (pitfall 35: never a silent success)", () => {
      const cases: readonly [string, CommandFailure, (h: Hypervisor) => Promise<unknown>][] = [
        ["pinVcpu, unknown domain", "no-such-domain", (h) => h.pinVcpu("nobody", 0, [0], DEADLINE_MS)],
        ["pinEmulator, unknown domain", "no-such-domain", (h) => h.pinEmulator("nobody", [0], DEADLINE_MS)],
        [
          "setOnline, unknown domain",
          "no-such-domain",
          (h) => h.setOnline("nobody", [0], "offline", DEADLINE_MS),
        ],
        ["pinVcpu, unknown vCPU", "no-such-vcpu", (h) => h.pinVcpu("a", 7, [0], DEADLINE_MS)],
        ["setOnline, unknown vCPU", "no-such-vcpu", (h) => h.setOnline("a", [0, 7], "offline", DEADLINE_MS)],
        ["pinVcpu, unknown pCPU", "no-such-pcpu", (h) => h.pinVcpu("a", 0, [0, 4000], DEADLINE_MS)],
        ["pinVcpu, no pCPU", "no-such-pcpu", (h) => h.pinVcpu("a", 0, [], DEADLINE_MS)],
        ["pinEmulator, unknown pCPU", "no-such-pcpu", (h) => h.pinEmulator("a", [4000], DEADLINE_MS)],
        [
          "setOnline without vCPU 0 (pitfall 2)",
          "not-applied",
          (h) => h.setOnline("a", [1], "offline", DEADLINE_MS),
        ],
        [
          "setOnline of nothing (pitfall 3)",
          "not-applied",
          (h) => h.setOnline("a", [], "offline", DEADLINE_MS),
        ],
      ];
      test("each names its reason, and nothing has changed", async () => {
        await fixture.arrive("a", { vcpus: 2, guest: "silent" });
        await seen("a");
        const outcomes = [];
        for (const [what, , call] of cases) outcomes.push([what, await failureOf(call(hypervisor))]);
        expect(outcomes).toEqual(cases.map(([what, failure]) => [what, failure]));
        expect((await seen("a")).vcpus.map((vcpu) => vcpu.pins)).toEqual([
          await onlinePcpus(),
          await onlinePcpus(),
        ]);
      });

      test("a paused domain's guest is not asked", async () => {
        await fixture.arrive("a", { vcpus: 2, guest: "silent" });
        await seen("a");
        await fixture.pause("a");
        await until("a is paused", async () => (await seen("a")).state === "paused");
        expect(await failureOf(hypervisor.setOnline("a", [0], "offline", DEADLINE_MS))).toBe("paused");
      });
    });

    describe("ballooning", () => {
      test("B-14, B-16: vCPUs go and come back, confirmed by the guest's own set; vCPU 0 never goes", async () => {
        await fixture.arrive("a", { vcpus: 3, guest: "obedient" });
        await until("the guest reports", async () => (await seen("a")).guest !== null);
        const { guest } = await seen("a");
        expect(guest!.mechanisms).toContain("offline");
        expect(guest!.vcpus.map((vcpu) => [vcpu.index, vcpu.online])).toEqual([
          [0, true],
          [1, true],
          [2, true],
        ]);
        expect(guest!.vcpus.map((vcpu) => vcpu.canOffline)).toEqual([false, true, true]);

        expect(await settle(hypervisor.setOnline("a", [0, 2], "offline", patienceMs))).toEqual([0, 2]);
        await until("the report follows", async () => String(inUse(await seen("a"))) === "0,2");
        expect(await settle(hypervisor.setOnline("a", [0], "offline", patienceMs))).toEqual([0]);
        expect(await settle(hypervisor.setOnline("a", [0, 1, 2], "offline", patienceMs))).toEqual([0, 1, 2]);
        await until("the report follows", async () => String(inUse(await seen("a"))) === "0,1,2");
        expect(changes).toContainEqual({ kind: "guest-reported", domain: "a" });
      });

      test("after a reset the guest is silent until its agent speaks again, and then uses every vCPU", async () => {
        await fixture.arrive("a", { vcpus: 2, guest: "obedient" });
        await until("the guest reports", async () => (await seen("a")).guest !== null);
        expect(await settle(hypervisor.setOnline("a", [0], "offline", patienceMs))).toEqual([0]);
        await fixture.reset("a");
        await hinted({ kind: "domain-reset", domain: "a" });
        expect((await seen("a")).guest).toBeNull();
        await until("it speaks again", async () => (await seen("a")).guest !== null);
        expect(inUse(await seen("a"))).toEqual([0, 1]);
      });

      test("a silent guest: the command ends at its deadline, nothing is believed", async () => {
        await fixture.arrive("a", { vcpus: 2, guest: "silent" });
        await seen("a");
        const failure = await failureOf(hypervisor.setOnline("a", [0], "offline", SHORT_DEADLINE_MS));
        expect(failure).toBe("guest-silent");
        expect((await seen("a")).guest).toBeNull();
      });

      test("a command waits for the one before it on its own domain, and for none on another", async () => {
        await fixture.arrive("a", { vcpus: 2, guest: "silent" });
        await fixture.arrive("b", { vcpus: 1, guest: "silent" });
        await seen("a");
        await seen("b");
        const [first] = await onlinePcpus();
        const order: string[] = [];
        const slow = hypervisor.setOnline("a", [0], "offline", SILENCE_MS).catch(() => order.push("a asked"));
        const behind = hypervisor.pinVcpu("a", 0, [first!], DEADLINE_MS).then(() => order.push("a pinned"));
        const beside = hypervisor.pinVcpu("b", 0, [first!], DEADLINE_MS).then(() => order.push("b pinned"));
        await settle(Promise.all([slow, behind, beside]));
        expect(order).toEqual(["b pinned", "a asked", "a pinned"]);
      });

      test("a domain killed in the middle of a command: the command ends at once, the other domain is unharmed", async () => {
        await fixture.arrive("a", { vcpus: 2, guest: "silent" });
        await fixture.arrive("b", { vcpus: 1, guest: "silent" });
        await seen("a");
        await seen("b");
        const failure = failureOf(hypervisor.setOnline("a", [0], "offline", 10 * patienceMs));
        await fixture.pass(STEP_MS);
        await fixture.kill("a");
        expect(["connection-lost", "no-such-domain"]).toContain(await failure);
        const [first] = await onlinePcpus();
        await settle(hypervisor.pinVcpu("b", 0, [first!], DEADLINE_MS));
        await until(
          "only b is left",
          async () => String((await observe()).snapshot.domains.map((d) => d.id)) === "b",
        );
      });
    });

    const hand: ContractHand = {
      fixture: () => fixture,
      guests() {
        if (fixture.guests !== undefined) return fixture.guests;
        throw new Error("An adapter that plugs, or whose guests ask, needs a fixture with `guests`");
      },
      hypervisor: () => hypervisor,
      changes: () => changes,
      patienceMs,
      deadlineMs: DEADLINE_MS,
      observe,
      seen,
      until,
      settle,
      failureOf,
    };
    if (plugs === true) describePlugging(hand);
    if (asks === true) describeAsking(hand);

    test("closing leaves everything as it is; a second connection finds it so", async () => {
      await fixture.arrive("a", { vcpus: 2, guest: "silent" });
      await seen("a");
      const [first] = await onlinePcpus();
      await settle(hypervisor.pinVcpu("a", 1, [first!], DEADLINE_MS));
      const before = await seen("a");
      await hypervisor.close();
      expect(await fixture.truePins("a", 1)).toEqual([first]);
      hypervisor = fixture.connectAgain();
      await hypervisor.start(() => undefined);
      const after = await seen("a");
      expect(after.vcpus).toEqual(before.vcpus);
    });

    function observe() {
      return settle(hypervisor.observe(DEADLINE_MS));
    }
    async function onlinePcpus(): Promise<readonly PcpuId[]> {
      return (await observe()).snapshot.pcpus.filter((pcpu) => pcpu.online).map((pcpu) => pcpu.id);
    }
    /** Waits for the domain to be in the snapshot. */
    async function seen(id: DomainId): Promise<DomainSnapshot> {
      let found: DomainSnapshot | undefined;
      await until(`${id} is seen`, async () => {
        found = (await observe()).snapshot.domains.find((domain) => domain.id === id);
        return found !== undefined;
      });
      return found!;
    }
    function hinted(change: HypervisorChange): Promise<void> {
      return until(JSON.stringify(change), async () =>
        changes.some((other) => JSON.stringify(other) === JSON.stringify(change)),
      );
    }
    async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
      for (let waited = 0; waited < patienceMs; waited += STEP_MS) {
        if (await holds()) return;
        await fixture.pass(STEP_MS);
      }
      throw new Error(`${what}: not within ${patienceMs} ms`);
    }
    /** The promise's outcome, with the host's time passing meanwhile. */
    async function settle<T>(promise: Promise<T>): Promise<T> {
      let settled = false;
      const end = () => {
        settled = true;
      };
      promise.then(end, end);
      for (let waited = 0; waited < 10 * patienceMs; waited += STEP_MS) {
        // Whatever is ready without any waiting comes first.
        await new Promise((resolve) => setImmediate(resolve));
        if (settled) break;
        await fixture.pass(STEP_MS);
      }
      return settled ? promise : Promise.reject(new Error(`A call did not end within ${10 * patienceMs} ms`));
    }
    async function failureOf(promise: Promise<unknown>): Promise<CommandFailure | "none"> {
      try {
        await settle(promise);
        return "none";
      } catch (error) {
        if (error instanceof CommandError) return error.failure;
        throw error;
      }
    }
  });
}

function inUse(domain: DomainSnapshot): readonly VcpuIndex[] {
  return (domain.guest?.vcpus ?? []).filter((vcpu) => vcpu.online).map((vcpu) => vcpu.index);
}

function place(vcpu: DomainSnapshot["vcpus"][number]): string {
  return `${vcpu.guestSocket}/${vcpu.guestCore}/${vcpu.guestThread}`;
}
