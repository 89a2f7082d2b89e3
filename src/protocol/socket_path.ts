/** Whether Linux takes all of `path` as the path of a unix socket. Node cuts a longer one off and says nothing. */
export function fitsSocketPath(path: string): boolean {
  return utf8Bytes(path) <= SOCKET_PATH_BYTES_MAX;
}

/** sun_path (unix(7)): 108 bytes with its end. */
export const SOCKET_PATH_BYTES_MAX = 107;

function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0)!;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}
