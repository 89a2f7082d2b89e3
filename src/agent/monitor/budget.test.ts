import { describe, expect, test } from "vitest";
import {
  type Budget,
  CREDIT_MAX_MS,
  glanceEveryMs,
  isRich,
  lookMs,
  mayShow,
  openBudget,
  type Settlement,
  settle,
} from "./budget.ts";

const COSTS = { watch: 1, glance: 2, look: 50, trace: 20, show: 150 };

function withBalance(balanceMs: number, costs: Budget["costs"] = COSTS): Budget {
  return { ...openBudget(0.01), balanceMs, costs };
}

describe("the account", () => {
  const after = (spent: Settlement["spent"], { seconds = 10, cpuMs = 0, balanceMs = 100 } = {}): number =>
    settle(
      { ...withBalance(balanceMs), last: { atMs: 0, cpuMs: 0 } },
      { atMs: seconds * 1_000, cpuMs, spent },
    ).balanceMs;

  test.each([
    { why: "time pays in: 1 % of it", balance: after({}), is: 200 },
    { why: "what the stages took is paid", balance: after({ glance: 5, look: 25 }, { cpuMs: 30 }), is: 170 },
    { why: "what else the agent did, too", balance: after({ look: 25 }, { cpuMs: 45 }), is: 155 },
    {
      why: "but with seven tenths of what was paid in at most",
      balance: after({}, { cpuMs: 5_000 }),
      is: 130,
    },
    { why: "a night pays in a minute's", balance: after({}, { seconds: 30_000 }), is: CREDIT_MAX_MS },
    { why: "one round may overdraw it", balance: after({ show: 900 }, { cpuMs: 900 }), is: -700 },
    { why: "a clock that stood still pays nothing", balance: after({}, { seconds: 0 }), is: 100 },
  ])("$why", ({ balance, is }) => {
    expect(balance).toBe(is);
  });

  test("what came in a burst is paid for bit by bit, however short the rounds", () => {
    let budget: Budget = { ...withBalance(0), last: { atMs: 0, cpuMs: 0 } };
    for (let second = 1; second <= 60; second++) {
      budget = settle(budget, { atMs: second * 1_000, cpuMs: second < 10 ? 0 : 100, spent: {} });
    }
    expect([budget.balanceMs, budget.owedMs]).toEqual([500, 0]);
  });

  test("and what is too much to be paid for is forgiven", () => {
    const open: Budget = { ...withBalance(0), last: { atMs: 0, cpuMs: 0 } };
    expect(settle(open, { atMs: 1_000, cpuMs: 9_000, spent: {} }).owedMs).toBe(300);
  });

  test("what a stage takes is learnt, half from the last round", () => {
    let budget = openBudget(0.01);
    for (const look of [40, 40, 100]) {
      budget = settle(budget, { atMs: 0, cpuMs: 0, spent: { look } });
    }
    expect(budget.costs).toEqual({ watch: 0, glance: 0, look: 65, trace: 0, show: 0 });
  });

  test("the watch's readings are paid together and learnt one by one", () => {
    const open = withBalance(100, openBudget(0.01).costs);
    const { balanceMs, costs } = settle(open, { atMs: 0, cpuMs: 30, spent: { watch: 30 }, readings: 60 });
    expect([balanceMs, costs.watch]).toEqual([70, 0.25]);
  });
});

describe("what is done when", () => {
  test.each([
    { why: "with credit for two looks: as wished", budget: withBalance(300), everyMs: 500 },
    { why: "without: a fifth of the share", budget: withBalance(0), everyMs: 1_000 },
    { why: "at a cost of nothing: as wished", budget: withBalance(-1, openBudget(1).costs), everyMs: 500 },
  ])("glances, $why", ({ budget, everyMs }) => {
    expect(glanceEveryMs(budget, "glance", 500)).toBe(everyMs);
  });

  test("a watch that costs less is slowed down less", () => {
    expect(glanceEveryMs(withBalance(0), "watch", 100)).toBe(500);
  });

  test.each([
    { why: "paid for already", balanceMs: 100, ms: 1_000 },
    { why: "paid for with what comes in meanwhile", balanceMs: 60, ms: 1_000 },
    { why: "lasts until it is paid for", balanceMs: 0, ms: 7_000 },
    { why: "and the debt, too", balanceMs: -30, ms: 10_000 },
  ])("an interval: $why", ({ balanceMs, ms }) => {
    expect(lookMs(withBalance(balanceMs), ["look", "trace"], 1_000)).toBe(ms);
  });

  test.each([
    { why: "two looks keep their credit", balanceMs: 300, lateMs: 0, follows: false, may: true },
    { why: "they would not", balanceMs: 290, lateMs: 0, follows: false, may: false },
    { why: "people have waited for long", balanceMs: 180, lateMs: 20_000, follows: false, may: true },
    { why: "but it is not paid for", balanceMs: 160, lateMs: 20_000, follows: false, may: false },
    { why: "in a row of looks it will be", balanceMs: 0, lateMs: 20_000, follows: true, may: true },
    { why: "after ten minutes whatever is left", balanceMs: 0, lateMs: 600_000, follows: false, may: true },
  ])("measures to see: $why", ({ balanceMs, lateMs, follows, may }) => {
    expect(mayShow(withBalance(balanceMs), { lateMs, follows })).toBe(may);
  });

  test("where a look at everything takes more than the account can hold, it comes when the account is full", () => {
    const slow = withBalance(CREDIT_MAX_MS, { ...COSTS, show: 5_000 });
    expect(mayShow(slow, { lateMs: 0, follows: false })).toBe(true);
    expect(mayShow({ ...slow, balanceMs: CREDIT_MAX_MS - 1 }, { lateMs: 0, follows: false })).toBe(false);
  });

  test("rich is half full", () => {
    expect([isRich(withBalance(300)), isRich(withBalance(299))]).toEqual([true, false]);
  });
});
