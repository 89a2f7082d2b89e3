/**
 * Linux's list format: "0-3,8" for 0,1,2,3,8. The empty text is the empty list.
 * Returns the numbers ascending, or `null` when the text is something else.
 */
export function parseCpuList(text: string): number[] | null {
  const trimmed = text.trim();
  if (trimmed === "") return [];
  const numbers = new Set<number>();
  for (const part of trimmed.split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (match === null) return null;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first || CPU_NUMBER_MAX < last) return null;
    for (let number = first; number <= last; number++) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
}

/** Above what any kernel can be built for (8,192), and small enough that a broken text cannot fill the memory. */
export const CPU_NUMBER_MAX = 65_535;
