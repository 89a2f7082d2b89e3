import type { Group } from "./collect.ts";

/** Groups that share a cell become one, so that all its comparisons have equally many replications. */
export function merged(groups: readonly Group[]): Group[] {
  const result: Group[] = [];
  for (const group of groups) {
    const ids = new Set(group.cells.map(({ id }) => id));
    const touching = result.filter(({ cells }) => cells.some(({ id }) => ids.has(id)));
    const all = [...touching, group];
    const cells = new Map(all.flatMap((each) => each.cells.map((cell) => [cell.id, cell] as const)));
    for (const each of touching) result.splice(result.indexOf(each), 1);
    result.push({ cells: [...cells.values()], pairs: all.flatMap(({ pairs }) => pairs) });
  }
  return result;
}
