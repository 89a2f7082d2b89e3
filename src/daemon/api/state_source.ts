/**
 * The state as checked text, made once for all who ask: a hundred clients cost the daemon's thread what one costs.
 * Answers are held against the view's schema here, so that nothing leaves that does not stand in it.
 */
import { type StateView, stateViewSchema } from "../../protocol/state_view.ts";
import type { Awaitable } from "./api_target.ts";

/** A view costs the daemon's thread up to a millisecond or two; it makes ten a second at most. */
const GAP_MS = 100;
/** Without news, only times of day in it grow old. */
const FRESH_MS = 1_000;

export interface CheckedState {
  /** Grows with every new view; of this life of the source. */
  readonly number: number;
  readonly view: StateView;
  /** The view as one line of JSON. */
  readonly json: string;
}

export class StateSource {
  readonly #ask: () => Awaitable<StateView>;
  #current: CheckedState | null = null;
  #askedAt = Number.NEGATIVE_INFINITY;
  #hasNews = true;
  #asking: Promise<CheckedState> | null = null;
  #timer: NodeJS.Timeout | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(ask: () => Awaitable<StateView>) {
    this.#ask = ask;
  }

  /** The daemon has something new to show. */
  changed(): void {
    this.#hasNews = true;
    this.#lookForThoseWaiting();
  }

  /** A client changed something: what is shown from now on must show it. */
  forget(): void {
    this.#current = null;
    this.changed();
  }

  async latest(): Promise<CheckedState> {
    const current = this.#current;
    const maxAge = this.#hasNews ? GAP_MS : FRESH_MS;
    if (current !== null && performance.now() < this.#askedAt + maxAge) return current;
    this.#asking ??= this.#look().finally(() => {
      this.#asking = null;
    });
    return await this.#asking;
  }

  /** Resolves with true as soon as there is a state newer than `number`, with false when `deadlineMs` is over. */
  async newerThan(number: number, deadlineMs: number): Promise<boolean> {
    const isNewer = () => this.#current !== null && number < this.#current.number;
    if (isNewer()) return true;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(deadline);
        this.#waiting.delete(done);
        resolve();
      };
      const deadline = setTimeout(done, deadlineMs);
      this.#waiting.add(done);
      if (this.#hasNews) this.#lookForThoseWaiting();
    });
    return isNewer();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const done of this.#waiting) done();
  }

  #lookForThoseWaiting(): void {
    if (this.#waiting.size === 0 || this.#timer !== null) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        // A state that cannot be had is told to those who ask for it; who waits goes on waiting.
        this.latest().catch(() => undefined);
      },
      Math.max(0, this.#askedAt + GAP_MS - performance.now()),
    );
  }

  async #look(): Promise<CheckedState> {
    this.#hasNews = false;
    this.#askedAt = performance.now();
    const view = stateViewSchema.parse(await this.#ask()) as StateView;
    this.#number += 1;
    this.#current = { number: this.#number, view, json: JSON.stringify(view) };
    for (const done of this.#waiting) done();
    return this.#current;
  }

  #number = 0;
}
