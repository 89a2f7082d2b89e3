import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DECODER_START, type Decoded, decode, encode, FRAME_BYTES_MAX, FRAME_START } from "./frame.ts";

/** Feeds the chunks one after another and returns all that came out. */
function decodeAll(chunks: readonly Uint8Array[]): Decoded[] {
  let decoder = DECODER_START;
  return chunks.flatMap((chunk) => {
    const result = decode(decoder, chunk);
    decoder = result.decoder;
    return result.items;
  });
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));
const framesOf = (items: readonly Decoded[]): unknown[] =>
  items.flatMap((item) => (item.kind === "frame" ? [item.value] : []));
const faultsOf = (items: readonly Decoded[]): string[] =>
  items.flatMap((item) => (item.kind === "fault" ? [item.fault] : []));

/** Cuts bytes at the given places. */
function cut(whole: Uint8Array, places: readonly number[]): Uint8Array[] {
  const edges = [0, ...places.map((p) => p % (whole.length + 1)).toSorted((a, b) => a - b), whole.length];
  return edges.slice(1).map((edge, i) => whole.subarray(edges[i], edge));
}

const message = fc.dictionary(fc.string(), fc.jsonValue({ depthSize: "small" }));
const asSent = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("any cut of the stream gives the same frames", () => {
  test("messages", () => {
    fc.assert(
      fc.property(fc.array(message), fc.array(fc.nat(10_000)), (messages, places) => {
        const stream = Buffer.concat([FRAME_START, ...messages.map(encode)]);
        const items = decodeAll(cut(new Uint8Array(stream), places));
        expect(framesOf(items)).toEqual(messages.map(asSent));
        expect(faultsOf(items)).toEqual([]);
      }),
    );
  });

  test("rubbish", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(200)), (rubbish, places) => {
        expect(decodeAll(cut(rubbish, places))).toEqual(decodeAll([rubbish]));
      }),
    );
  });
});

test("after any rubbish and a newline, whole frames arrive", () => {
  fc.assert(
    fc.property(fc.uint8Array(), message, (rubbish, sent) => {
      const items = decodeAll([rubbish, FRAME_START, encode(sent)]);
      expect(items.at(-1)).toEqual({ kind: "frame", value: asSent(sent) });
    }),
  );
});

test("every byte of a frame is printable ASCII, whatever its text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const frame = encode({ text });
      expect(frame.slice(0, -1).every((byte) => 0x20 <= byte && byte <= 0x7e)).toBe(true);
      expect(framesOf(decodeAll([frame]))).toEqual([{ text }]);
    }),
  );
});

describe("faults", () => {
  test.each([
    ["not JSON", "{kind}\n", ["not-json"]],
    ["half a frame, then a new life", '{"kind":"pi\n{"kind":"ping","id":1}\n', ["not-json"]],
    ["a list", "[1]\n", ["not-an-object"]],
    ["null", "null\n", ["not-an-object"]],
    ["a number", "7\n", ["not-an-object"]],
    ["a byte outside ASCII", '{"a":"\xe4"}\n', ["not-ascii"]],
    ["a NUL", "\0{}\n", ["not-ascii"]],
    ["empty lines and spaces are no fault", "\n\r\n  \n", []],
    ["a carriage return before the newline is no fault", "{}\r\n", []],
    ["too deep to be honest", `${"[".repeat(100_000)}\n`, ["not-json"]],
  ])("%s", (_, stream, faults) => {
    expect(faultsOf(decodeAll([bytes(stream)]))).toEqual(faults);
  });

  test("a huge frame is one fault, said before its end, and the next frame is whole", () => {
    const huge = bytes("x".repeat(FRAME_BYTES_MAX + 1));
    const before = decode(DECODER_START, huge);
    expect(faultsOf(before.items)).toEqual(["oversize"]);
    expect(before.decoder.line).toBe("");
    const after = decode(before.decoder, bytes('still the same line\n{"kind":"ping"}\n'));
    expect(after.items).toEqual([{ kind: "frame", value: { kind: "ping" } }]);
  });

  test("an endless line holds no more than one frame's bytes, however small its chunks", () => {
    let decoder = DECODER_START;
    const faults: string[] = [];
    for (let sent = 0; sent < 3 * FRAME_BYTES_MAX; sent += 1_000) {
      const result = decode(decoder, bytes("x".repeat(1_000)));
      decoder = result.decoder;
      faults.push(...faultsOf(result.items));
      expect(decoder.line.length).toBeLessThanOrEqual(FRAME_BYTES_MAX);
    }
    expect(faults).toEqual(["oversize"]);
  });

  test("the longest allowed frame passes, one byte more does not", () => {
    const fill = FRAME_BYTES_MAX - '{"a":""}'.length;
    expect(framesOf(decodeAll([encode({ a: "x".repeat(fill) })]))).toHaveLength(1);
    expect(() => encode({ a: "x".repeat(fill + 1) })).toThrow(/exceeds 262144/);
  });

  test("rubbish is quoted in words that a log can hold", () => {
    const [item] = decodeAll([bytes(`\x1b[2J${"\xff".repeat(100)}\n`)]);
    expect(item?.kind === "fault" && /^[\x20-\x7e]{1,320}$/.test(item.why)).toBe(true);
  });
});
