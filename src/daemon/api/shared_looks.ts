/**
 * What clients look at is asked of the daemon once for all of them: each look takes time from the control loop's thread,
 * so their number must not depend on the number of clients. The state has a source of its own (state_source.ts).
 */
import type { ApiTarget, Awaitable } from "./api_target.ts";

/** A plan or the meters cost the daemon's thread up to some milliseconds on a large host; it makes ten a second at most. */
const GAP_MS = 100;

/** `target`, with its looks shared; whoever changes something sees it in the next look. */
export function sharedLooks(target: ApiTarget): ApiTarget {
  const plan = shared(() => target.plan());
  const meters = shared(() => target.meters());
  const changed = async <Answer>(answer: Awaitable<Answer>): Promise<Answer> => {
    try {
      return await answer;
    } finally {
      plan.forget();
      meters.forget();
    }
  };
  return {
    view: () => target.view(),
    plan: () => plan.latest(),
    meters: () => meters.latest(),
    previewParts: (domains) => target.previewParts(domains),
    setDomain: (...args) => changed(target.setDomain(...args)),
    requestVcpu: (...args) => changed(target.requestVcpu(...args)),
    reload: () => changed(target.reload()),
    setPaused: (...args) => changed(target.setPaused(...args)),
  };
}

function shared<Look>(ask: () => Awaitable<Look>): { latest(): Promise<Look>; forget(): void } {
  let asked: Promise<Look> | null = null;
  let askedAt = Number.NEGATIVE_INFINITY;
  return {
    latest() {
      const now = performance.now();
      if (asked !== null && now < askedAt + GAP_MS) return asked;
      askedAt = now;
      const asking = Promise.resolve(ask());
      asked = asking;
      // What could not be had is told to those who waited for it, and asked for anew by the next.
      asking.catch(() => {
        if (asked === asking) asked = null;
      });
      return asking;
    },
    forget() {
      asked = null;
    },
  };
}
