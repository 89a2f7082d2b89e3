/**
 * KVM or TCG? A /dev/kvm that opens proves nothing (nested virtualisation may hang a stock kernel), so KVM is taken
 * only when a guest of the lab's own boots under it.
 */
import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { GuestImage } from "./image.ts";
import { identify, killForGood } from "./processes.ts";
import { type Accelerator, guestPaths, qemuArguments } from "./qemu_arguments.ts";
import { connectRunner } from "./runner.ts";

/** The answer is kept below .lab for this host kernel and guest kernel. */
export async function chooseAccelerator(options: {
  readonly root: string;
  readonly image: GuestImage;
}): Promise<Accelerator> {
  if (!mayOpenKvm()) return "tcg";
  const path = join(options.root, ".lab", "accelerator.json");
  const key = `${release()} ${options.image.kernel}`;
  const known = readAnswer(path);
  if (known?.key === key) return known.accelerator;
  const accelerator = (await bootsUnderKvm(options)) ? "kvm" : "tcg";
  writeFileSync(path, `${JSON.stringify({ key, accelerator })}\n`);
  return accelerator;
}

/** Under a KVM that works the guest is up in about two seconds. */
const TRIAL_MAX_MS = 10_000;

const ANSWER = z.object({ key: z.string(), accelerator: z.enum(["kvm", "tcg"]) });

function readAnswer(path: string): z.infer<typeof ANSWER> | null {
  if (!existsSync(path)) return null;
  try {
    return ANSWER.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return null; // Half-written or of another version: try again.
  }
}

function mayOpenKvm(): boolean {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function bootsUnderKvm({ root, image }: { root: string; image: GuestImage }): Promise<boolean> {
  const folder = mkdtempSync(join(root, ".lab", "kvm-"));
  const paths = guestPaths(folder, "trial");
  const args = qemuArguments({ spec: { name: "trial", vcpus: 2 }, paths, image, accelerator: "kvm" });
  const bonded = ["--pdeathsig", "KILL", "qemu-system-x86_64", ...args];
  const child = spawn("setpriv", bonded, { stdio: "ignore" });
  let ended = false;
  child.once("error", () => {
    ended = true;
  });
  child.once("exit", () => {
    ended = true;
  });
  try {
    const giveUp = () => (ended ? "QEMU ended" : null);
    (await connectRunner(paths.runner, { deadlineMs: TRIAL_MAX_MS, giveUp })).close();
    return true;
  } catch {
    return false;
  } finally {
    const trial = child.pid === undefined ? null : identify(child.pid);
    if (trial !== null) await killForGood(trial);
    rmSync(folder, { recursive: true, force: true });
  }
}
