/** A small file of the kernel that is read again and again: it stays open, which makes a reading several times cheaper. */
import { closeSync, openSync, readSync } from "node:fs";

export interface KeptFile {
  /** What it says now, its first page; `null` when there is nothing to read (any more). */
  read(): string | null;
  close(): void;
}

export function keepOpen(path: string): KeptFile {
  let file: number | null = null;
  try {
    file = openSync(path, "r");
  } catch {
    // What it speaks of is gone already; reading says so.
  }
  return {
    read() {
      if (file === null) return null;
      try {
        return page.toString("latin1", 0, readSync(file, page, 0, page.length, 0));
      } catch {
        return null;
      }
    },
    close() {
      if (file !== null) closeSync(file);
      file = null;
    },
  };
}

/** The kernel gives no more than a page of such a file. */
const page = Buffer.alloc(4_096);
