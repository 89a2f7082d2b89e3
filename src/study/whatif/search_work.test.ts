/** The search for how much work there is between two meetings, on distances that are known. */
import { describe, expect, test } from "vitest";
import { truthOf } from "./known_host_suite.ts";
import { drawModel, type Model } from "./model.ts";
import { searchWork } from "./search_work.ts";

/** Two domains that meet. */
function modelOf(...meetings: readonly Model["domains"][number]["meeting"][]): Model {
  const model = drawModel(truthOf({}).recording, 1);
  return {
    ...model,
    domains: meetings.map((meeting) => ({ ...model.domains[0]!, meeting, workNs: 77_000 })),
  };
}

/** How many factors of two each is away from the work that it should have. */
function awayFrom(...rightNs: readonly number[]) {
  const asked: number[][] = [];
  const distancesOf = ({ domains }: Model) => {
    asked.push(domains.map(({ workNs }) => workNs));
    return domains.map(({ workNs }, d) => Math.abs(Math.log2(workNs / rightNs[d]!)));
  };
  return { asked, distancesOf };
}

describe("the search", () => {
  test.each([1, 2, 3, 4, 5])("finds each domain's own work, within a factor of two (draw %d)", (key) => {
    const { distancesOf } = awayFrom(10_000, 2_000_000);
    const { domains } = searchWork(modelOf("mm", "futex-barrier"), distancesOf, key);
    expect(Math.abs(Math.log2(domains[0]!.workNs / 10_000))).toBeLessThan(1);
    expect(Math.abs(Math.log2(domains[1]!.workNs / 2_000_000))).toBeLessThan(1);
  });

  test("ends at the first that is close, wherever it began", () => {
    const everything = () => [0, 0];
    const found = [1, 2, 3, 4].map(
      (key) => searchWork(modelOf("mm", "mm"), everything, key).domains[0]!.workNs,
    );
    expect(new Set(found).size).toBe(4);
  });

  test("leaves alone who never meets, and asks for nothing where nobody does", () => {
    const { asked, distancesOf } = awayFrom(10_000, 10_000);
    expect(searchWork(modelOf("compute", "mm"), distancesOf, 1).domains[0]!.workNs).toBe(77_000);
    asked.length = 0;
    searchWork(modelOf("compute", "compute"), distancesOf, 1);
    expect(asked).toEqual([]);
  });

  test("runs a model eight times at most", () => {
    const { asked, distancesOf } = awayFrom(1, 1);
    searchWork(modelOf("mm", "mm"), distancesOf, 1);
    expect(asked.length).toBe(8);
  });
});
