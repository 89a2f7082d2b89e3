/** The part of every adapter's contract about plugging vCPUs, and about guests that ask for them. */
import { describe, expect, test } from "vitest";
import type { DomainSnapshot, VcpuSlot } from "../core/model.ts";
import type { DomainId, Milliseconds } from "../core/units.ts";
import type { ContractFixture, GuestHand } from "./contract_suite.ts";
import type { CommandFailure, Hypervisor, HypervisorChange, Observation } from "./port.ts";

/** What contract_suite.ts has in hand for a test. */
export interface ContractHand {
  readonly fixture: () => ContractFixture;
  readonly guests: () => GuestHand;
  readonly hypervisor: () => Hypervisor;
  readonly changes: () => readonly HypervisorChange[];
  readonly patienceMs: Milliseconds;
  readonly deadlineMs: Milliseconds;
  readonly observe: () => Promise<Observation>;
  readonly seen: (id: DomainId) => Promise<DomainSnapshot>;
  readonly until: (what: string, holds: () => Promise<boolean>) => Promise<void>;
  readonly settle: <T>(promise: Promise<T>) => Promise<T>;
  readonly failureOf: (promise: Promise<unknown>) => Promise<CommandFailure | "none">;
}

export function describePlugging(hand: ContractHand): void {
  const { fixture, guests, hypervisor, patienceMs, deadlineMs } = hand;
  const { observe, seen, until, settle, failureOf } = hand;
  const firstFree = async (id: DomainId): Promise<VcpuSlot> => (await seen(id)).freeSlots![0]!;
  const plugged = async (id: DomainId) => settle(hypervisor().plugVcpu(id, await firstFree(id), patienceMs));

  describe("plugging", () => {
    test("P-18, pitfall 23: it resolves with the guest's number, and the vCPU is there: free to run everywhere, unused", async () => {
      await fixture().arrive("a", { vcpus: 1, vcpusMax: 2, guest: "obedient" });
      await until("the guest reports", async () => (await seen("a")).guest !== null);
      const slot = await firstFree("a");
      expect(await settle(hypervisor().plugVcpu("a", slot, patienceMs))).toBe(1);
      const domain = await seen("a");
      const online = (await observe()).snapshot.pcpus.filter((pcpu) => pcpu.online).map(({ id }) => id);
      expect(domain.vcpus[1]).toEqual({ index: 1, pins: online, removable: true, ...slot });
      expect(domain.freeSlots).toEqual([]);
      await until("the guest lists it", async () => (await seen("a")).guest?.vcpus.length === 2);
      expect((await seen("a")).guest!.vcpus[1]).toEqual({ index: 1, online: false, canOffline: true });

      await settle(hypervisor().pinVcpu("a", 1, [online[0]!], deadlineMs));
      expect(await settle(hypervisor().setOnline("a", [0, 1], "offline", patienceMs))).toEqual([0, 1]);
      expect((await seen("a")).vcpus.map((vcpu) => vcpu.pins)).toEqual([online, [online[0]]]);
    });

    test("what was plugged is offlined, unplugged, and gone for the guest too", async () => {
      await fixture().arrive("a", { vcpus: 1, vcpusMax: 2, guest: "obedient" });
      await until("the guest reports", async () => (await seen("a")).guest !== null);
      const vcpu = await plugged("a");
      await settle(hypervisor().setOnline("a", [0, vcpu], "offline", patienceMs));
      await settle(hypervisor().setOnline("a", [0], "offline", patienceMs));
      await settle(hypervisor().unplugVcpu("a", vcpu, patienceMs));
      expect((await seen("a")).vcpus.map(({ index }) => index)).toEqual([0]);
      await until("the guest has forgotten it", async () => (await seen("a")).guest?.vcpus.length === 1);
    });

    test("without an agent it can be plugged and unplugged all the same", async () => {
      await fixture().arrive("a", { vcpus: 1, vcpusMax: 3, guest: "silent" });
      await seen("a");
      await guests().booted("a");
      expect(await plugged("a")).toBe(1);
      expect(await plugged("a")).toBe(2);
      await settle(hypervisor().unplugVcpu("a", 1, patienceMs));
      expect((await seen("a")).vcpus.map(({ index }) => index)).toEqual([0, 2]);
    });

    test("a second connection finds a plugged vCPU again, and can take it out", async () => {
      await fixture().arrive("a", { vcpus: 1, vcpusMax: 2, guest: "silent" });
      await seen("a");
      await guests().booted("a");
      await plugged("a");
      const other = fixture().connectAgain();
      await hypervisor().close();
      await other.start(() => undefined);
      try {
        await until("it is seen", async () => {
          const { snapshot } = await settle(other.observe(deadlineMs));
          return snapshot.domains[0]?.vcpus[1]?.removable === true;
        });
        await settle(other.unplugVcpu("a", 1, patienceMs));
        expect((await settle(other.observe(deadlineMs))).snapshot.domains[0]!.vcpus).toHaveLength(1);
      } finally {
        await other.close();
      }
    });

    const nowhere: VcpuSlot = { guestSocket: 40, guestCore: 0, guestThread: 0, guestNode: 0 };
    const cases: readonly [string, CommandFailure, (h: Hypervisor, a: DomainSnapshot) => Promise<unknown>][] =
      [
        ["plug, unknown domain", "no-such-domain", (h) => h.plugVcpu("nobody", nowhere, deadlineMs)],
        ["unplug, unknown domain", "no-such-domain", (h) => h.unplugVcpu("nobody", 0, deadlineMs)],
        ["plug, a slot that is not there", "no-such-slot", (h) => h.plugVcpu("a", nowhere, deadlineMs)],
        ["plug, a filled slot", "no-such-slot", (h, a) => h.plugVcpu("a", a.vcpus[0]!, deadlineMs)],
        ["unplug, unknown vCPU", "no-such-vcpu", (h) => h.unplugVcpu("a", 7, deadlineMs)],
        ["unplug, a vCPU of the boot", "not-supported", (h) => h.unplugVcpu("a", 1, deadlineMs)],
        ["unplug, vCPU 0 (pitfall 2)", "not-supported", (h) => h.unplugVcpu("a", 0, deadlineMs)],
      ];
    test("what cannot be is refused with its reason, and nothing has changed (pitfall 35)", async () => {
      await fixture().arrive("a", { vcpus: 2, vcpusMax: 3, guest: "silent" });
      const before = await seen("a");
      const outcomes = [];
      for (const [what, , call] of cases) outcomes.push([what, await failureOf(call(hypervisor(), before))]);
      expect(outcomes).toEqual(cases.map(([what, failure]) => [what, failure]));
      expect((await seen("a")).vcpus).toEqual(before.vcpus);
    });

    test("a paused domain's guest is not asked to take or give any", async () => {
      await fixture().arrive("a", { vcpus: 1, vcpusMax: 3, guest: "silent" });
      await seen("a");
      await guests().booted("a");
      await plugged("a");
      await fixture().pause("a");
      await until("a is paused", async () => (await seen("a")).state === "paused");
      expect(await failureOf(hypervisor().plugVcpu("a", await firstFree("a"), deadlineMs))).toBe("paused");
      expect(await failureOf(hypervisor().unplugVcpu("a", 1, deadlineMs))).toBe("paused");
    });

    test("pitfall 1: a guest that keeps its vCPU says so; the vCPU stays, and can be asked for again", async () => {
      await fixture().arrive("a", { vcpus: 1, vcpusMax: 2, guest: "obedient" });
      await until("the guest reports", async () => (await seen("a")).guest !== null);
      const vcpu = await plugged("a");
      await settle(hypervisor().setOnline("a", [0, vcpu], "offline", patienceMs));
      const letGo = await guests().hold("a");
      expect(await failureOf(hypervisor().unplugVcpu("a", vcpu, patienceMs))).toBe("guest-refused");
      expect((await seen("a")).vcpus).toHaveLength(2);
      await letGo();
      await settle(hypervisor().setOnline("a", [0], "offline", patienceMs));
      await settle(hypervisor().unplugVcpu("a", vcpu, patienceMs));
      expect((await seen("a")).vcpus).toHaveLength(1);
    });

    test("killed in the middle of a plug: the command ends, the other domain is unharmed", async () => {
      await fixture().arrive("a", { vcpus: 1, vcpusMax: 2, guest: "silent" });
      await fixture().arrive("b", { vcpus: 1, vcpusMax: 2, guest: "silent" });
      await seen("b");
      await guests().booted("b");
      const ended = failureOf(hypervisor().plugVcpu("a", await firstFree("a"), patienceMs));
      await fixture().kill("a");
      expect(["connection-lost", "no-such-domain"]).toContain(await ended);
      expect(await plugged("b")).toBe(1);
    });
  });
}

export function describeAsking(hand: ContractHand): void {
  const { fixture, guests, hypervisor, changes, observe, seen, until } = hand;
  const on = { on: true, measuresEveryMs: 500, thresholds: [] };

  describe("guests that ask", () => {
    test("P-11, P-12, P-17: a request arrives as it was made, and its answer is heard", async () => {
      await fixture().arrive("a", { vcpus: 2, guest: "obedient" });
      await until("the guest reports", async () => (await seen("a")).guest !== null);
      const asked = await guests().ask("a", 1);
      await until("it is heard", async () => changes().some(({ kind }) => kind === "guest-asked"));
      const [change] = changes().filter((one) => one.kind === "guest-asked");
      expect(change!.request).toMatchObject({
        domain: "a",
        origin: "administrator",
        exceeded: null,
        target: { kind: "node", node: 1 },
      });
      const why = { code: "no-such-node", node: 1, nodes: [0] } as const;
      hypervisor().answer("a", change!.request.id, { outcome: "denied", why });
      await until("the answer is there", async () => (await asked.heard()).includes("no-such-node"));
      hypervisor().answer("nobody", "x", { outcome: "denied", why });
    });

    test("P-57: the load monitor works when it is told to, in guests that come later too, and rests when told", async () => {
      hypervisor().setMonitor("a", on);
      await fixture().arrive("a", { vcpus: 2, guest: "obedient" });
      await until("it asks from now on", async () => (await seen("a")).guest?.asks === true);
      await until(
        "its measures are seen",
        async () => 0 < ((await observe()).load?.[0]?.measures.length ?? 0),
      );
      expect((await observe()).load![0]!.domain).toBe("a");
      hypervisor().setMonitor("a", { ...on, on: false });
      await until("it rests", async () => (await seen("a")).guest?.asks !== true);
      expect((await observe()).load ?? []).toEqual([]);
    });

    test("a silent guest has no measures, and telling it something harms nothing", async () => {
      await fixture().arrive("a", { vcpus: 2, guest: "silent" });
      await seen("a");
      hypervisor().setMonitor("a", on);
      hypervisor().answer("a", "x", { outcome: "granted", vcpu: 1, loan: false });
      expect((await observe()).load ?? []).toEqual([]);
    });
  });
}
