/** What `virsh restore` reads: libvirt's header, the domain's definition, and the state as QEMU wrote it. */
import { execFile, spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";

/**
 * What stands before QEMU's state, as libvirt 0.9.4 and all later ones write it (qemu_saveimage.h): with another definition
 * before it, one state serves domains of any name.
 */
export function saveImageHeader(xml: string): Buffer {
  const definition = Buffer.from(`${xml}\0`);
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, "latin1");
  const [version, wasRunning] = [2, 1];
  for (const [at, word] of [version, definition.length, wasRunning].entries())
    header.writeUInt32LE(word, MAGIC.length + at * WORD_BYTES);
  return Buffer.concat([header, definition]);
}

/** Offers the state, with this definition before it, at the path while `reader` reads; without a copy on disk, which would be large. */
export async function whileSaveImage(
  parts: { readonly path: string; readonly xml: string; readonly state: string },
  reader: (path: string) => Promise<unknown>,
): Promise<void> {
  const { path, xml, state } = parts;
  const header = `${path}.header`;
  writeFileSync(header, saveImageHeader(xml));
  await promisify(execFile)("mkfifo", [path], { timeout: MKFIFO_MAX_MS });
  const script = 'exec cat "$1" "$2" > "$3"';
  const writer = spawn("sh", ["-c", script, "writer", header, state, path], { stdio: "inherit" });
  const over = new Promise((done) => writer.once("close", done).once("error", done));
  try {
    await reader(path);
  } finally {
    // It still waits where nobody came to read, or read to the end.
    writer.kill("SIGKILL");
    await over;
    for (const file of [header, path]) rmSync(file, { force: true });
  }
}

const MAGIC = "LibvirtQemudSave";
const WORD_BYTES = 4;
/** The magic, five words and fourteen that are not used. */
const HEADER_BYTES = MAGIC.length + 19 * WORD_BYTES;
const MKFIFO_MAX_MS = 10_000;
