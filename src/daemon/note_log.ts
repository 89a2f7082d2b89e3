/** The last notes, for people: what the controller said of its steps, and what was done to the daemon by hand. */
import { explainNote } from "../core/explain_note.ts";
import type { Note } from "../core/note.ts";
import type { Milliseconds } from "../core/units.ts";
import type { NoteView } from "../protocol/state_view.ts";
import type { LogLine } from "./daemon.ts";

/** In memory, for `vbal status` and `vbal explain`; the journal has all. */
const NOTES_KEPT = 500;

export class NoteLog {
  #notes: NoteView[] = [];

  /** Oldest first. */
  get notes(): readonly NoteView[] {
    return this.#notes;
  }

  keep(note: NoteView): void {
    this.#notes.push(note);
    if (NOTES_KEPT < this.#notes.length) this.#notes = this.#notes.slice(-NOTES_KEPT);
  }

  /** Returns the line for the log. */
  keepStep(note: Note, now: Milliseconds): LogLine {
    const text = explainNote(note);
    const domain = "domain" in note ? note.domain : null;
    this.keep({ code: note.code, text, data: note, atMs: now, domain });
    return { level: levelOf(note), text, code: note.code, domain };
  }
}

function levelOf(note: Note): "info" | "warning" {
  switch (note.code) {
    case "command-failed":
    case "guest-silent":
    case "guest-changed-by-itself":
    case "growth-given-up":
      return "warning";
    case "standing-changed":
      return note.to === "active" ? "info" : "warning";
    default:
      return "info";
  }
}
