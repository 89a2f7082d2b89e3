/** When a state is taken as it is, and when it is made anew; what QEMU writes is played here, and real in lab.lab.test.ts. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { savedState } from "./saved_state.ts";

const WHOLE = 'QEVM state {"page_size": 4096}';
const IMAGE = { kernel: "/boot/vmlinuz", initrd: "/lab/image-0123456789abcdef.cpio", hasVbalAgent: true };

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "vbal-saved-"));
  mkdirSync(join(root, ".lab"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("a saved state", () => {
  test("is made by the first guest of its shape, and serves the next", async () => {
    expect(await check()).toEqual({ booted: 1, state: WHOLE });
    expect(await check()).toEqual({ booted: 0, state: WHOLE });
  });

  const damages: readonly [string, string][] = [
    ["empty", ""],
    ["cut short", WHOLE.slice(0, 12)],
    ["full of zeros", "\0".repeat(WHOLE.length)],
    ["full of zeros from somewhere on", WHOLE.slice(0, 12).padEnd(WHOLE.length, "\0")],
    ["something else", "{}"],
  ];
  test.each(damages)("%s: it is made anew", async (_, bytes) => {
    await check();
    const [name] = readdirSync(join(root, ".lab"));
    writeFileSync(join(root, ".lab", name!), bytes);
    expect(await check()).toEqual({ booted: 1, state: WHOLE });
    expect(await check()).toEqual({ booted: 0, state: WHOLE });
  });

  test("of another image, whole or not, is forgotten when one of this image is made", async () => {
    for (const name of ["saved-fedcba9876543210-1.state", "saved-fedcba9876543210-1.state.0.new"])
      writeFileSync(join(root, ".lab", name), WHOLE);
    await check();
    expect(readdirSync(join(root, ".lab"))).toEqual([
      expect.stringMatching(/^saved-0123456789abcdef-\w+\.state$/),
    ]);
  });

  /** How often a guest had to boot for it, and what is there now. */
  async function check(): Promise<{ booted: number; state: string }> {
    let booted = 0;
    const spec = { name: "a", vcpus: 2 };
    const shape = { root, spec, image: IMAGE, accelerator: "tcg", qemu: process.execPath } as const;
    const path = await savedState(shape, ({ name }) => {
      booted += 1;
      return Promise.resolve({
        name,
        waitReady: () => Promise.resolve(),
        stop: () => Promise.resolve(),
        monitor: () => Promise.resolve({ execute, nextEvent: () => new Promise(() => {}), close: () => {} }),
      });
    });
    return { booted, state: readFileSync(path, "latin1") };
  }

  function execute(command: string, args?: object): Promise<unknown> {
    const path = /cat > '(.*)'/.exec((args as { uri?: string } | undefined)?.uri ?? "")?.[1];
    if (command === "migrate" && path !== undefined) writeFileSync(path, WHOLE);
    return Promise.resolve({ status: "completed" });
  }
});
