/**
 * CRC-32 as in Ethernet and zip (reflected polynomial 0xEDB88320), one table look-up per byte (Sarwate 1988). It
 * finds every burst of damage up to 32 bits, and any other but for one in 2^32.
 *
 * Takes ASCII text, a byte per character. Example: "123456789" gives 0xCBF43926.
 */
export function crc32(ascii: string): number {
  let crc = -1;
  for (let i = 0; i < ascii.length; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ ascii.charCodeAt(i)) & 0xff]!;
  return (crc ^ -1) >>> 0;
}

const TABLE: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});
