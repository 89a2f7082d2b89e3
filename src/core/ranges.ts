/** Ascending whole numbers as people write sets of CPUs: `[0,1,2,5]` is "0-2,5"; an empty list is "none". */
export function formatRanges(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; ) {
    let j = i;
    while (numbers[j + 1] === numbers[j]! + 1) j++;
    parts.push(i === j ? `${numbers[i]}` : `${numbers[i]}-${numbers[j]}`);
    i = j + 1;
  }
  return parts.length === 0 ? "none" : parts.join(",");
}
