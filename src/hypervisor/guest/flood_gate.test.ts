import { expect, test } from "vitest";
import { createVirtualTimers } from "../simulated/virtual_timers.ts";
import {
  BYTES_PER_SECOND_MAX,
  createFloodGate,
  MESSAGES_PER_ANSWER,
  MESSAGES_PER_SECOND_MAX,
} from "./flood_gate.ts";

function begin() {
  const timers = createVirtualTimers();
  const log: string[] = [];
  const gate = createFloodGate({ timers, onFlood: () => log.push("flood"), onCalm: () => log.push("calm") });
  /** How many of so many messages pass. */
  const pass = (messages: number) =>
    Array.from({ length: messages }, () => gate.admitMessage()).filter(Boolean).length;
  return { timers, log, gate, pass };
}

test("messages: so many per second, told once, and again in the next second", async () => {
  const { timers, log, pass } = begin();
  expect(pass(MESSAGES_PER_SECOND_MAX)).toBe(MESSAGES_PER_SECOND_MAX);
  expect(log).toEqual([]);
  expect(pass(10)).toBe(0);
  expect(log).toEqual(["flood"]);
  await timers.advance(1_000);
  expect(log).toEqual(["flood", "calm"]);
  expect(pass(1)).toBe(1);
});

test("bytes: what is beyond is cut off, and nothing more passes until the second is over", async () => {
  const { timers, log, gate, pass } = begin();
  expect(gate.admitBytes(BYTES_PER_SECOND_MAX - 1)).toBe(BYTES_PER_SECOND_MAX - 1);
  expect(gate.admitBytes(10)).toBe(1);
  expect([gate.admitBytes(10), pass(1)]).toEqual([0, 0]);
  await timers.advance(1_000);
  expect([gate.admitBytes(10), pass(1)]).toEqual([10, 1]);
  expect(log).toEqual(["flood", "calm"]);
});

test("answers to our own commands are no flood, but they are not saved up either", async () => {
  const { timers, gate, pass } = begin();
  for (let i = 0; i < 100; i++) gate.expectAnswer();
  expect(pass(100 * MESSAGES_PER_ANSWER)).toBe(100 * MESSAGES_PER_ANSWER);
  gate.expectAnswer();
  await timers.advance(1_000);
  expect(pass(MESSAGES_PER_SECOND_MAX + MESSAGES_PER_ANSWER)).toBe(MESSAGES_PER_SECOND_MAX);
});
