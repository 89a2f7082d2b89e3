/**
 * vbal as people run it on a real libvirt with real guests: what an operator sees in virsh is what vbal says, whatever
 * happens to guests, to libvirt and to vbal itself.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { CGROUP_CONTROLLERS, defaultShares } from "./libvirt/cgroup_layout.ts";
import { affinitiesOfVirsh, pinsOfVirsh, placedByVbal } from "./libvirt/libvirt_story_suite.ts";
import { type PrivateLibvirt, SET_METADATA, startPrivateLibvirt } from "./libvirt/private_libvirt.ts";
import { DaemonProcess, until } from "./real_host_suite.ts";

/** Three guests that are restored, one that boots, and ten waits, each with a minute of its own on a busy machine. */
const STORY_MAX_MS = 600_000;

let libvirt: PrivateLibvirt;

beforeAll(async () => {
  libvirt = await startPrivateLibvirt({ dir: "libvirt-story", cgroupControllers: CGROUP_CONTROLLERS });
});
afterAll(() => libvirt.stop());

describe("vbal up on libvirt", () => {
  let daemon: DaemonProcess | null = null;
  afterEach(async () => {
    await daemon?.end("SIGKILL");
    await libvirt.clear();
  });

  test(
    "two domains are ballooned and pinned, a third comes and goes, libvirt is restarted: virsh agrees; SIGTERM puts all back",
    async () => {
      await Promise.all([
        libvirt.restore({ name: "a", vcpus: 2, agent: "vbal", shares: defaultShares() }, "defined"),
        libvirt.restore({ name: "b", vcpus: 2, agent: "qga", metadata: weight(256) }, "defined"),
      ]);
      const inactive = await Promise.all(
        ["a", "b"].map((name) => libvirt.virsh("dumpxml", "--inactive", name)),
      );
      const found = await pinsOfVirsh(libvirt, "b");
      daemon = up();
      const vbal = daemon;

      await agree(vbal, "each has one vCPU in use", { a: { online: 1 }, b: { online: 1 } });
      await until(
        "each has one pCPU to itself",
        async () => (await Promise.all(["a", "b"].map((name) => pinsOfVirsh(libvirt, name)))).map(String),
        ([a, b]) => new Set([a, b]).size === 2 && [a, b].every((pins) => pins === "0,0" || pins === "1,1"),
      );

      await libvirt.restore({ name: "c", vcpus: 2, agent: "vbal" });
      await agree(vbal, "a third on two pCPUs", { a: { online: 1 }, b: { online: 1 }, c: { online: 1 } });

      await libvirt.virsh("destroy", "c");
      await libvirt.virsh("metadata", "b", "--live", ...SET_METADATA, "<policy managed='false'/>");
      await agree(vbal, "b is let go by its metadata, a has both pCPUs", { a: { online: 2 } });
      await until(
        "b is as it was found",
        () => pinsOfVirsh(libvirt, "b"),
        (pins) => JSON.stringify(pins) === JSON.stringify(found),
      );
      await libvirt.virsh("metadata", "b", "--live", ...SET_METADATA, "<policy weight='256'/>");
      await agree(vbal, "b is back", { a: { online: 1 }, b: { online: 1 } });

      await libvirt.kill();
      await until(
        "the lost connection is told",
        () => vbal.output,
        (output) => /No connection to libvirt/.test(output),
      );
      await libvirt.start();
      await libvirt.boot({ name: "c", vcpus: 1, agent: "none" });
      await agree(vbal, "after libvirt's restart a newcomer is seen", {
        a: { online: 1 },
        b: { online: 1 },
        c: {},
      });

      expect(await vbal.end("SIGTERM"), vbal.output).toBe(0);
      for (const name of ["a", "b"]) {
        expect(await pinsOfVirsh(libvirt, name)).toEqual(found);
        expect(await affinitiesOfVirsh(libvirt, name)).toEqual(found);
        expect(await libvirt.output(name, ["cat", "/sys/devices/system/cpu/online"])).toBe("0-1");
      }
      const after = await Promise.all(["a", "b"].map((name) => libvirt.virsh("dumpxml", "--inactive", name)));
      expect(after).toEqual(inactive);
    },
    STORY_MAX_MS,
  );

  function up(): DaemonProcess {
    for (const file of ["journal.jsonl", "overrides.json", "history.db"])
      rmSync(join(libvirt.folder, file), { force: true });
    const config = join(libvirt.folder, "vbal.yaml");
    writeFileSync(
      config,
      [
        "mode: enforce",
        'pool: "0-1"',
        `hypervisor: { kind: libvirt, uri: '${libvirt.uri}' }`,
        "journal: { path: journal.jsonl }",
        "control: { socket: control.sock }",
      ].join("\n"),
    );
    return new DaemonProcess({ config, socket: join(libvirt.folder, "control.sock") });
  }

  /** Waits until vbal's word is as wanted, and virsh's two words are vbal's. */
  async function agree(
    vbal: DaemonProcess,
    what: string,
    wanted: Readonly<Record<string, { readonly online?: number }>>,
  ): Promise<void> {
    await until(
      what,
      async () => {
        const state = await vbal.state();
        const pending = state.domains.flatMap((domain) => domain.pending);
        const said = Object.entries(wanted).map(([name, { online }]) => {
          const placed = placedByVbal(state, name);
          const isWanted = placed !== null && (online ?? placed.online) === placed.online;
          return { name, placed, isWanted };
        });
        // Guests have two pCPUs, and each of virsh's words is a process: it is asked when there is something to agree on.
        if (0 < pending.length || !said.every(({ isWanted }) => isWanted)) return { said, pending };
        const virsh = await Promise.all(
          said.map(async ({ name }) => ({
            pins: await pinsOfVirsh(libvirt, name),
            affinities: await affinitiesOfVirsh(libvirt, name),
          })),
        );
        return { said, pending, virsh };
      },
      ({ said, virsh }) =>
        virsh?.every(({ pins, affinities }, at) => {
          const placed = JSON.stringify(said[at]?.placed?.pins);
          return JSON.stringify(pins) === placed && JSON.stringify(affinities) === placed;
        }) === true,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${vbal.output}`);
    });
  }
});

function weight(value: number): string {
  return `<vbal:policy xmlns:vbal="urn:vbal:policy" weight="${value}"/>`;
}
