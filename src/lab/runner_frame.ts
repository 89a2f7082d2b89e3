/**
 * The frames between the lab and the runner inside a guest (guest/runner.c says what they mean): u32 length of the
 * payload, u32 id, u8 kind, payload; little-endian.
 */
export interface RunnerFrame {
  readonly id: number;
  readonly kind: "H" | "S" | "K" | "O" | "E" | "X";
  readonly payload: Uint8Array;
}

export function encodeFrame({ id, kind, payload }: RunnerFrame): Uint8Array {
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt32LE(id, 4);
  header.write(kind, 8, "latin1");
  return Buffer.concat([header, payload]);
}

/** Takes the whole frames off the front of `bytes`; throws when they cannot be frames. */
export function decodeFrames(bytes: Buffer): {
  readonly frames: readonly RunnerFrame[];
  readonly rest: Buffer;
} {
  const frames: RunnerFrame[] = [];
  let at = 0;
  while (HEADER <= bytes.length - at) {
    const length = bytes.readUInt32LE(at);
    const kind = String.fromCharCode(bytes.readUInt8(at + 8));
    if (PAYLOAD_MAX < length || !isGuestKind(kind)) {
      throw new Error(
        `The guest's runner sent kind ${JSON.stringify(kind)} of ${length} bytes, which is no frame`,
      );
    }
    if (bytes.length - at < HEADER + length) break;
    const payload = bytes.subarray(at + HEADER, at + HEADER + length);
    frames.push({ id: bytes.readUInt32LE(at + 4), kind, payload });
    at += HEADER + length;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** The runner refuses more, too. */
export const PAYLOAD_MAX = 65_536;

const HEADER = 9;

function isGuestKind(kind: string): kind is "H" | "O" | "E" | "X" {
  return kind === "H" || kind === "O" || kind === "E" || kind === "X";
}
