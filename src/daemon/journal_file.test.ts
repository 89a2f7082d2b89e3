/** The journal on a disk that tears, fills up and loses things. */
import { spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ControllerState, INITIAL_STATE } from "../core/controller_state.ts";
import type { ControllerEvent } from "../core/event.ts";
import { DEFAULT_POLICY } from "../core/policy.ts";
import { decodeJournal } from "../protocol/journal.ts";
import { type Beginning, JournalFile } from "./journal_file.ts";
import { replay } from "./replay.ts";

let folder: string;
let path: string;
let faults: string[];
let now = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vbal-journal-test-"));
  path = join(folder, "journal.jsonl");
  faults = [];
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function journalOf(maxBytes = 1_000_000): JournalFile {
  return new JournalFile({ path, maxBytes, onFault: (message) => faults.push(message) });
}

/** What a next life makes of the files. */
function recovered(): ControllerState | null {
  const journal = journalOf();
  const state = journal.recover();
  journal.close();
  return state;
}

/** A state that can be told from others by its number. */
function stateNumber(nextCommandId: number): ControllerState {
  return { ...INITIAL_STATE, nextCommandId };
}

function checkpoint(state: ControllerState): { kind: "checkpoint" } & Beginning {
  return { kind: "checkpoint", now: ++now, policy: DEFAULT_POLICY, state };
}

function write(journal: JournalFile, state: ControllerState): void {
  journal.append(checkpoint(state), () => ({ now, policy: DEFAULT_POLICY, state }));
}

function recordsOf(file: string) {
  const journal = decodeJournal<ControllerEvent, ControllerState>(readFileSync(file, "latin1"));
  if ("unreadable" in journal) throw new Error(journal.unreadable);
  expect(journal.damage).toEqual([]);
  return journal.records;
}

describe("an earlier life", () => {
  test("left nothing: there is no state, and the file begins", () => {
    const journal = journalOf();
    expect(journal.recover()).toBe(null);
    journal.close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(recordsOf(path)).toEqual([]);
  });

  test("left a state", () => {
    const first = journalOf();
    first.recover();
    write(first, stateNumber(7));
    first.close();
    expect(recovered()?.nextCommandId).toBe(7);
  });

  test.each([1, 5, 40])(
    "was killed while writing: %i bytes of the last record are missing, the rest counts",
    (missing) => {
      const first = journalOf();
      first.recover();
      write(first, stateNumber(7));
      const whole = statSync(path).size;
      write(first, stateNumber(8));
      first.close();
      truncateSync(path, statSync(path).size - missing);
      const second = journalOf();
      expect(second.recover()?.nextCommandId).toBe(7);
      expect(statSync(path).size).toBe(whole);
      write(second, stateNumber(9));
      second.close();
      expect(recordsOf(path).map(({ seq }) => seq)).toEqual([1, 2]);
      expect(faults).toEqual([]);
    },
  );

  test("left a damaged line in the middle: it is told, the later checkpoint counts", () => {
    const first = journalOf();
    first.recover();
    for (const number of [1, 2, 3]) write(first, stateNumber(number));
    first.close();
    const lines = readFileSync(path, "latin1").split("\n");
    lines[2] = lines[2]!.replace("nextCommandId", "nextCommandIX");
    writeFileSync(path, lines.join("\n"), "latin1");
    expect(recovered()?.nextCommandId).toBe(3);
    expect(faults).toEqual([expect.stringContaining("Record 2 is lost")]);
  });

  test("lost its newest file to a power cut: the one before knows", () => {
    const first = journalOf(500);
    first.recover();
    for (let number = 1; number <= 3; number++) write(first, stateNumber(number));
    first.close();
    expect(existsSync(`${path}.1`)).toBe(true);
    writeFileSync(path, "");
    expect(recovered()?.nextCommandId).toBeGreaterThan(1);
    unlinkSync(path);
    expect(recovered()?.nextCommandId).toBeGreaterThan(1);
  });

  test.each([
    ["a file of another kind", "hello\n", "This is not a journal of vbal"],
    ["a journal of a later version", '{"journal":"vbal","version":99}\n', "has version 99"],
  ])("%s in its place is not overwritten, and the error says what it is", (_, text, words) => {
    writeFileSync(path, text);
    expect(() => journalOf().recover()).toThrow(words);
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  test("a folder in its place is told with what to do", () => {
    mkdirSync(path);
    expect(() => journalOf().recover()).toThrow(/journal\.jsonl cannot be used .*check journal\.path/);
  });
});

describe("rotation", () => {
  test("each file can be replayed without the older ones, and only four are kept", () => {
    const journal = journalOf(500);
    journal.recover();
    for (let number = 1; number <= 40; number++) write(journal, stateNumber(number));
    journal.close();
    const files = readdirSync(folder).sort();
    expect(files).toEqual([
      "journal.jsonl",
      "journal.jsonl.1",
      "journal.jsonl.2",
      "journal.jsonl.3",
      "journal.jsonl.lock",
    ]);
    files.pop();
    for (const file of files) {
      const records = recordsOf(join(folder, file));
      expect(records[0]).toMatchObject({ seq: 1, record: { kind: "checkpoint" } });
      expect(replay(records, "start").differences).toEqual([]);
    }
    expect(recovered()?.nextCommandId).toBe(40);
    expect(faults).toEqual([]);
  });
});

describe("a disk that is full", () => {
  test("control goes on, it is told once, no older file is lost, and a checkpoint follows when there is room", () => {
    const first = journalOf();
    first.recover();
    write(first, stateNumber(1));
    first.close();
    // Whatever is written to the next file meets a full disk.
    symlinkSync("/dev/full", `${path}.new`);
    const journal = journalOf(statSync(path).size);
    expect(journal.recover()?.nextCommandId).toBe(1);
    for (let number = 2; number <= 20; number++) write(journal, stateNumber(number));
    expect(faults).toEqual([
      expect.stringMatching(
        /Cannot write the journal .*ENOSPC.*; control goes on, but what is decided from now on is not kept\. Make room/,
      ),
    ]);
    expect(readdirSync(folder).sort()).toEqual(["journal.jsonl", "journal.jsonl.lock", "journal.jsonl.new"]);
    // Killed now, the last that was written still counts.
    const copy = { path: join(folder, "copy.jsonl"), maxBytes: 1_000_000, onFault: () => undefined };
    copyFileSync(path, copy.path);
    expect(new JournalFile(copy).recover()?.nextCommandId).toBe(2);

    unlinkSync(`${path}.new`);
    write(journal, stateNumber(21));
    journal.close();
    expect(faults.at(-1)).toMatch(/is written again$/);
    expect(recordsOf(path).map(({ record }) => record.kind)).toEqual(["checkpoint"]);
    expect(recovered()?.nextCommandId).toBe(21);
  });

  test("after it is closed nothing is written, and nothing is thrown", () => {
    const journal = journalOf();
    journal.recover();
    journal.close();
    const { size } = statSync(path);
    write(journal, stateNumber(1));
    expect(statSync(path).size).toBe(size);
  });
});

describe("two daemons", () => {
  test("never write the same journal: the second is told whose it is, and the first goes on", () => {
    const first = journalOf();
    first.recover();
    write(first, stateNumber(1));
    expect(() => journalOf().recover()).toThrow(
      `The journal ${path} is in use by another vbal daemon (process ${process.pid}); stop it first, or set journal.path to another path`,
    );
    write(first, stateNumber(2));
    first.close();
    expect(recovered()?.nextCommandId).toBe(2);
  });

  test("a second that gave up leaves the first its lock", () => {
    const first = journalOf();
    first.recover();
    const second = journalOf();
    expect(() => second.recover()).toThrow(/is in use/);
    second.close();
    expect(() => journalOf().recover()).toThrow(/is in use/);
    first.close();
  });

  test("one that was killed holds nothing", async () => {
    const script = `echo $$ > "$1"; echo held; exec sleep 600`;
    const argv = ["--nonblock", "--no-fork", `${path}.lock`, "sh", "-c", script, "sh", `${path}.lock`];
    const other = spawn("flock", argv, { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((held) => other.stdout.once("data", held));
    expect(() => journalOf().recover()).toThrow(`(process ${other.pid})`);
    const over = new Promise((end) => other.once("close", end));
    other.kill("SIGKILL");
    await over;
    expect(recovered()).toBe(null);
  });
});
