/**
 * Frames: one JSON object per line, ASCII only, over any byte stream. A reader that lost its place finds it again at
 * the next newline, because a newline never occurs inside a frame (JSON escapes it). Non-ASCII text travels as
 * backslash-u escapes, so that no cut between bytes can fall inside a character.
 *
 *   decode(DECODER_START, bytes('{"kind":"pi'))   -> nothing yet
 *   decode(that.decoder,  bytes('ng","id":7}\n')) -> { kind: "frame", value: { kind: "ping", id: 7 } }
 *
 * Both ends of a connection first send FRAME_START, a lone newline: it cuts off half a frame that an earlier life of
 * the same end may have left in the stream; the other end sees one fault and then whole frames.
 *
 * This file runs in QuickJS too: no TextDecoder, no types of Node.
 */
export function decode(decoder: Decoder, chunk: Uint8Array): { decoder: Decoder; items: readonly Decoded[] } {
  const items: Decoded[] = [];
  let { line, skipping } = decoder;
  let start = 0;
  while (start < chunk.length) {
    const newline = chunk.indexOf(NEWLINE, start);
    const end = newline === -1 ? chunk.length : newline;
    if (!skipping && line.length + (end - start) > FRAME_BYTES_MAX) {
      items.push(fault("oversize", `Frame longer than ${FRAME_BYTES_MAX} bytes`));
      line = "";
      skipping = true;
    }
    if (!skipping) line += latin1(chunk.subarray(start, end));
    if (newline === -1) break;
    if (!skipping) items.push(...decodeLine(line));
    line = "";
    skipping = false;
    start = newline + 1;
  }
  return { decoder: { line, skipping }, items };
}

/**
 * The longest frame, its newline not counted. The longest honest one is the report of a guest with VCPUS_MAX vCPUs
 * (about 140 bytes each) and FINDINGS_MAX findings (guest_messages.ts), less than 230 KB; a stream of rubbish without
 * a newline can hold no more memory than this.
 */
export const FRAME_BYTES_MAX = 262_144;

/** What each end sends first on a new connection. */
export const FRAME_START: Uint8Array = Uint8Array.of(0x0a);

/** What a reader keeps between two chunks. */
export interface Decoder {
  /** The bytes of an unfinished line, one character each. */
  readonly line: string;
  /** The line was too long: drop everything up to the next newline. */
  readonly skipping: boolean;
}

export const DECODER_START: Decoder = { line: "", skipping: false };

export type Decoded =
  | { readonly kind: "frame"; readonly value: Readonly<Record<string, unknown>> }
  | { readonly kind: "fault"; readonly fault: FrameFault; readonly why: string };

export type FrameFault = "oversize" | "not-ascii" | "not-json" | "not-an-object";

/**
 * One frame with its newline. The argument is one of our own messages: a frame that would be longer than
 * FRAME_BYTES_MAX is a bug of the caller and throws.
 */
export function encode(message: object): Uint8Array {
  const json = JSON.stringify(message);
  return asciiLine(json) ?? asciiLine(json.replace(/[\u007f-\uffff]/g, escapeUnit))!;
}

/** The text as bytes with a newline, or `null` when it is not ASCII, which is rare. */
function asciiLine(text: string): Uint8Array | null {
  const { length } = text;
  if (length > FRAME_BYTES_MAX) {
    throw new Error(`Frame of ${length} bytes exceeds ${FRAME_BYTES_MAX}: shorten its lists`);
  }
  const bytes = new Uint8Array(length + 1);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > ASCII_PRINTABLE_MAX) return null;
    bytes[i] = unit;
  }
  bytes[length] = NEWLINE;
  return bytes;
}

const ASCII_PRINTABLE_MAX = 0x7e;
const NEWLINE = 0x0a;

/** Arguments per call of fromCharCode: engines keep them on the stack, and QuickJS's is small. */
const CODES_PER_CALL = 4_096;

/** A quoted piece of rubbish in a message for a person is cut here. */
const QUOTE_CHARS_MAX = 40;

function decodeLine(line: string): Decoded[] {
  if (line.trim() === "") return [];
  if (!/^[\t\r\x20-\x7e]*$/.test(line))
    return [fault("not-ascii", `Frame with a byte outside ASCII: ${quote(line)}`)];
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return [fault("not-json", `Frame is not JSON: ${quote(line)}`)];
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return [fault("not-an-object", `Frame is not a JSON object: ${quote(line)}`)];
  }
  return [{ kind: "frame", value: value as Record<string, unknown> }];
}

function fault(kind: FrameFault, why: string): Decoded {
  return { kind: "fault", fault: kind, why };
}

/** Rubbish made fit for a log: cut, and with control characters and quotes escaped. */
function quote(line: string): string {
  const cut = line.length > QUOTE_CHARS_MAX ? `${line.slice(0, QUOTE_CHARS_MAX)}...` : line;
  return JSON.stringify(cut).replace(/[\u007f-\uffff]/g, escapeUnit);
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += CODES_PER_CALL) {
    // Not spread: QuickJS would take the bytes one by one through an iterator.
    text += Reflect.apply(String.fromCharCode, null, bytes.subarray(i, i + CODES_PER_CALL));
  }
  return text;
}
