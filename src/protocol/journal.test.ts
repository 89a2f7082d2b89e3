import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_POLICY } from "../core/policy.ts";
import { crc32 } from "./crc32.ts";
import { digestOf } from "./digest.ts";
import { decodeJournal, encodeHeader, encodeRecord, type Journal, type JournalRecord } from "./journal.ts";

const RECORDS: readonly JournalRecord[] = [
  { kind: "start", daemonVersion: "0.1.0", policy: DEFAULT_POLICY, now: 5, wallMs: 1_700_000_000_000 },
  {
    kind: "event",
    now: 6,
    event: { kind: "observed", names: ["grün", "日本", "\u2028"] },
    actions: digestOf([]),
  },
  { kind: "policy", now: 7, policy: { ...DEFAULT_POLICY, pool: [1, 2] } },
  { kind: "note", now: 8, text: 'a "quoted" line\nand another' },
  { kind: "checkpoint", now: 9, policy: DEFAULT_POLICY, state: { deep: [null, { a: 1 }] } },
];

const LINES = RECORDS.map((record, i) => encodeRecord(i + 1, record));
const TEXT = encodeHeader() + LINES.join("");

/** What is read of a file, which must be a journal. */
function check(latin1: string): Journal {
  const journal = decodeJournal(latin1);
  if ("unreadable" in journal) throw new Error(journal.unreadable);
  return journal;
}

const seqs = (journal: Journal): number[] => journal.records.map(({ seq }) => seq);

describe("a journal", () => {
  test("gives back what was written, in pure ASCII lines", () => {
    expect(check(TEXT)).toEqual({
      records: RECORDS.map((record, i) => ({ seq: i + 1, line: i + 2, record })),
      nextSeq: RECORDS.length + 1,
      damage: [],
      tornBytes: 0,
      keepBytes: TEXT.length,
    });
    expect(TEXT).toMatch(/^[\n\x20-\x7e]*$/);
    expect(Buffer.byteLength(TEXT)).toBe(TEXT.length);
  });

  test("cut anywhere by kill -9 loses the torn line and nothing else", () => {
    for (let length = 0; length < TEXT.length; length++) {
      const journal = check(TEXT.slice(0, length));
      const whole = TEXT.slice(0, length).split("\n").length - 2;
      expect(journal.records).toHaveLength(Math.max(whole, 0));
      expect(journal.damage).toEqual([]);
      expect(journal.keepBytes + journal.tornBytes).toBe(length);
      // What is kept can be appended to.
      const kept = TEXT.slice(0, journal.keepBytes) || encodeHeader();
      expect(seqs(check(kept + encodeRecord(journal.nextSeq, RECORDS[3]!)))).toHaveLength(
        Math.max(whole, 0) + 1,
      );
    }
  });

  test.each<[why: string, text: string, read: number[], messages: string[]]>([
    [
      "a bit turned over",
      TEXT.replace('"pool":[1,2]', '"pool":[1,3]'),
      [1, 2, 4, 5],
      ["Record 3 is lost: damaged or missing from line 4 on"],
    ],
    [
      "two lines gone",
      encodeHeader() + [LINES[0], LINES[3], LINES[4]].join(""),
      [1, 4, 5],
      ["Records 2 to 3 are lost: damaged or missing from line 3 on"],
    ],
    [
      "a line too many",
      encodeHeader() + [LINES[0], "hello\n", ...LINES.slice(1)].join(""),
      [1, 2, 3, 4, 5],
      ["Line 3 is no record; every record around it is there"],
    ],
    [
      "a line twice",
      encodeHeader() + [LINES[0], LINES[0], ...LINES.slice(1)].join(""),
      [1, 2, 3, 4, 5],
      ["Line 3 is no record; every record around it is there"],
    ],
    [
      "zeros at the end, after a power failure",
      `${encodeHeader() + LINES.slice(0, 4).join("")}${"\0".repeat(50)}\n`,
      [1, 2, 3, 4],
      ["Line 6 and all after it (1 in all) are damaged; what follows record 4 is lost"],
    ],
    [
      "two lines run into one",
      encodeHeader() + LINES.join("").replace("\n", ""),
      [3, 4, 5],
      ["Records 1 to 2 are lost: damaged or missing from line 2 on"],
    ],
  ])("%s: says where and what is lost, and reads on", (_why, text, read, messages) => {
    const journal = check(text);
    expect(seqs(journal)).toEqual(read);
    expect(journal.damage.map(({ message }) => message)).toEqual(messages);
  });

  test.each<[text: string, message: RegExp]>([
    ["hello\n", /not a journal of vbal.*Name another file/],
    ['{"journal":"vbal","version":2}\n', /version 2.*reads version 1/],
    ["null\n", /not a journal/],
  ])("%j is refused with a reason", (text, message) => {
    expect(decodeJournal(text)).toEqual({ unreadable: expect.stringMatching(message) });
  });

  test("no single changed byte goes unnoticed", () => {
    const header = encodeHeader().length;
    const places = fc.integer({ min: header, max: TEXT.length - 1 });
    fc.assert(
      fc.property(places, fc.integer({ min: 0, max: 255 }), (place, byte) => {
        const changed = String.fromCharCode(byte);
        fc.pre(TEXT[place] !== changed);
        const journal = check(TEXT.slice(0, place) + changed + TEXT.slice(place + 1));
        expect(journal.damage.length + journal.tornBytes).toBeGreaterThan(0);
        for (const { seq, record } of journal.records) expect(record).toEqual(RECORDS[seq - 1]);
      }),
    );
  });
});

describe("the checksum and the digest", () => {
  test("CRC-32 is the usual one", () => {
    expect(crc32("123456789")).toBe(0xcbf43926);
    const ascii = fc.string({ unit: "binary-ascii" });
    fc.assert(fc.property(ascii, (text) => crc32(text) === zlibCrc32(text)));
  });

  test("the digest is FNV-1a 64, as published, of the canonical JSON", () => {
    const reference = (text: string): string => {
      let hash = 0xcbf29ce484222325n;
      for (const char of text)
        hash = BigInt.asUintN(64, (hash ^ BigInt(char.charCodeAt(0))) * 0x100000001b3n);
      return hash.toString(16).padStart(16, "0");
    };
    expect(reference("a")).toBe("af63dc4c8601ec8c");
    const ascii = fc.string({ unit: "grapheme-ascii" });
    fc.assert(fc.property(ascii, (text) => digestOf(text) === reference(JSON.stringify(text))));
  });

  test("a digest does not depend on the order of keys, but on everything else", () => {
    expect(digestOf({ a: 1, b: { c: 2, d: 3 } })).toBe(digestOf({ b: { d: 3, c: 2 }, a: 1 }));
    expect(digestOf([1, 2])).not.toBe(digestOf([2, 1]));
    expect(digestOf({ a: 1, b: undefined })).toBe(digestOf({ a: 1 }));
    expect(digestOf("ā")).not.toBe(digestOf("a"));
  });
});
