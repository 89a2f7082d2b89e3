/**
 * Who goes first when two events are due at the same nanosecond: by kind, then by entity. A salt other than 0
 * permutes that order, to show that a result does not hang on it.
 */
import { mix } from "./draw.ts";

/** Entities of one kind that have distinct ranks; the builder refuses more. */
export const ENTITIES_MAX: number = 1 << 20;

export function tieRank(kind: number, entity: number, salt: number): number {
  const rank = kind * ENTITIES_MAX + entity;
  // `mix` is a bijection on 32 bits, so ranks stay distinct whatever the salt.
  return salt === 0 ? rank : mix(rank ^ salt);
}
