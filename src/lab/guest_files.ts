/** The unpacked Debian packages that guests are made of, as scripts/guest_packages.mjs left them below .lab. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** Throws when nothing was unpacked yet, with what to do about it. */
export function readGuestFiles(root: string): GuestFiles {
  const index = join(root, ".lab", "guest.json");
  if (!existsSync(index)) {
    throw new Error(`The lab has no guest files (${index} is not there): run node scripts/setup.mjs`);
  }
  const { tree, kernel, programs, libraries } = INDEX.parse(JSON.parse(readFileSync(index, "utf8")));
  return {
    tree: join(root, ".lab", tree),
    kernelVersion: kernel.version,
    kernelImage: join(root, ".lab", tree, kernel.image),
    modules: kernel.modules,
    programs,
    libraries,
  };
}

/** `tree` and `kernelImage` are absolute; the other paths are relative to the tree and the same in the guest. */
export interface GuestFiles {
  readonly tree: string;
  readonly kernelVersion: string;
  readonly kernelImage: string;
  readonly modules: string;
  readonly programs: readonly string[];
  readonly libraries: readonly string[];
}

const INDEX = z.object({
  tree: z.string(),
  kernel: z.object({ version: z.string(), image: z.string(), modules: z.string() }),
  programs: z.array(z.string()),
  libraries: z.array(z.string()),
});
