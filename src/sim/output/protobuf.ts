/**
 * Writes protocol buffers (protobuf.dev, "Encoding"): fields of varints, fixed 64 bits, text and messages. The length of
 * a message comes before it; room for it is left and filled in afterwards, as a varint padded to four bytes.
 */
export class ProtobufWriter {
  private bytes: Uint8Array = new Uint8Array(1 << 16);
  private at = 0;

  finish(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }

  /** A whole number from 0 to 2^53 - 1. */
  varint(field: number, value: number): void {
    this.raw(field * 8 + VARINT);
    this.raw(value);
  }

  fixed64(field: number, value: number): void {
    this.raw(field * 8 + FIXED64);
    this.reserve(8);
    for (let i = 0, rest = value; i < 8; i++) {
      this.bytes[this.at++] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }

  text(field: number, value: string): void {
    const encoded = new TextEncoder().encode(value);
    this.raw(field * 8 + LENGTH_DELIMITED);
    this.raw(encoded.length);
    this.reserve(encoded.length);
    this.bytes.set(encoded, this.at);
    this.at += encoded.length;
  }

  message(field: number, write: () => void): void {
    this.raw(field * 8 + LENGTH_DELIMITED);
    this.reserve(LENGTH_BYTES);
    const start = this.at;
    this.at += LENGTH_BYTES;
    write();
    let length = this.at - start - LENGTH_BYTES;
    for (let i = 0; i < LENGTH_BYTES; i++) {
      this.bytes[start + i] = (length & 0x7f) | (i < LENGTH_BYTES - 1 ? 0x80 : 0);
      length >>>= 7;
    }
  }

  private raw(value: number): void {
    this.reserve(VARINT_BYTES_MAX);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.bytes[this.at++] = (rest % 128) + 0x80;
    this.bytes[this.at++] = rest;
  }

  private reserve(more: number): void {
    if (this.at + more <= this.bytes.length) return;
    const larger = new Uint8Array(2 * (this.bytes.length + more));
    larger.set(this.bytes);
    this.bytes = larger;
  }
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const VARINT_BYTES_MAX = 10;
/** Messages of up to 2^28 bytes. */
const LENGTH_BYTES = 4;
