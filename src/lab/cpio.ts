/** Writes archives in the "newc" format of cpio, which the kernel unpacks as its first root file system. */
export function cpioArchive(entries: readonly ArchiveEntry[]): Uint8Array {
  const parts = entries.flatMap((entry, at) => member(entry, at + 1));
  parts.push(...member({ path: "TRAILER!!!", kind: "file", executable: false, bytes: EMPTY }, 0));
  return Buffer.concat(parts);
}

/** `path` is relative to the root, without a leading slash; a folder comes before what is in it. */
export type ArchiveEntry =
  | {
      readonly path: string;
      readonly kind: "file";
      readonly executable: boolean;
      readonly bytes: Uint8Array;
    }
  | { readonly path: string; readonly kind: "folder" }
  | { readonly path: string; readonly kind: "link"; readonly target: string }
  | {
      readonly path: string;
      readonly kind: "character-device";
      readonly major: number;
      readonly minor: number;
    };

/** Every folder that the paths need, outermost first, none twice. */
export function foldersOf(paths: readonly string[]): readonly ArchiveEntry[] {
  const folders = new Set<string>();
  for (const path of paths) {
    const names = path.split("/").slice(0, -1);
    names.forEach((_, at) => {
      folders.add(names.slice(0, at + 1).join("/"));
    });
  }
  return [...folders].sort().map((path) => ({ path, kind: "folder" }));
}

/** Root's files, made in 1970, on device 0:0. */
const OWNER = [0, 0];
const DEVICE = [0, 0];

const EMPTY = new Uint8Array(0);

function member(entry: ArchiveEntry, inode: number): Uint8Array[] {
  const bytes =
    entry.kind === "file" ? entry.bytes : entry.kind === "link" ? Buffer.from(entry.target) : EMPTY;
  const name = Buffer.from(`${entry.path}\0`);
  // Fields in the order of the format: inode, mode, uid, gid, links, mtime, size, device, special device, name, check.
  const fields = [
    inode,
    modeOf(entry),
    ...OWNER,
    1,
    0,
    bytes.length,
    ...DEVICE,
    entry.kind === "character-device" ? entry.major : 0,
    entry.kind === "character-device" ? entry.minor : 0,
    name.length,
    0,
  ];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return [header, name, padding(header.length + name.length), bytes, padding(bytes.length)];
}

function modeOf(entry: ArchiveEntry): number {
  switch (entry.kind) {
    case "file":
      return entry.executable ? 0o100755 : 0o100644;
    case "folder":
      return 0o040755;
    case "link":
      return 0o120777;
    case "character-device":
      return 0o020600;
  }
}

/** Names and contents end on a multiple of four bytes. */
function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}
