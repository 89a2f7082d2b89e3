import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { saveImageHeader, whileSaveImage } from "./save_image.ts";

const XML = "<domain>é</domain>";
/** More than a pipe holds, so that the writer has to wait for whoever reads. */
const STATE = Buffer.alloc(2 ** 20, "QEVM");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vbal-image-"));
  writeFileSync(join(folder, "state"), STATE);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("what libvirt restores a domain from", () => {
  test("begins with libvirt's mark, its version, how long the definition is, and that the domain ran", () => {
    const header = saveImageHeader(XML);
    expect(header.toString("latin1", 0, 16)).toBe("LibvirtQemudSave");
    const bytes = Buffer.byteLength(XML) + 1;
    expect([0, 1, 2, 3, 4].map((word) => header.readUInt32LE(16 + 4 * word))).toEqual([2, bytes, 1, 0, 0]);
    expect(header.toString("utf8", 92)).toBe(`${XML}\0`);
  });

  test("is header and state, while somebody reads, and gone afterwards", async () => {
    const read = await check((path) => readFile(path));
    expect(read?.equals(Buffer.concat([saveImageHeader(XML), STATE]))).toBe(true);
  });

  test("nobody comes to read, or not to the end: it is gone all the same, and the reader's fault is told", async () => {
    await expect(check(() => Promise.reject(new Error("no such domain")))).rejects.toThrow("no such domain");
  });

  /** What the reader got; nothing of it is left. */
  async function check(reader: (path: string) => Promise<Buffer>): Promise<Buffer | undefined> {
    let read: Buffer | undefined;
    const parts = { path: join(folder, "image"), xml: XML, state: join(folder, "state") };
    try {
      await whileSaveImage(parts, async (path) => {
        read = await reader(path);
      });
    } finally {
      expect(readdirSync(folder).filter((name) => name !== "state")).toEqual([]);
    }
    return read;
  }
});
