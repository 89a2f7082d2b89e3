/**
 * What the agent may use of a vCPU, as an account: it grows with time and is charged with what the kernel says that the
 * agent used, whatever for. While it is overdrawn, the expensive sources are left alone. So the average keeps to the
 * allowance on any machine, also an emulated one, and a load that begins after a quiet time is measured in full.
 */
export class Allowance {
  readonly #share: number;
  #ms = CREDIT_MAX_MS;
  #last: { readonly atMs: number; readonly runNs: number } | null = null;

  /** `share`: of one vCPU. */
  constructor(share: number) {
    this.#share = share;
  }

  /** `runNs`: how long the agent has run since its start; 0 in a kernel that does not tell. */
  charge(atMs: number, runNs: number): void {
    const last = this.#last ?? { atMs, runNs };
    const earnedMs = Math.max(0, atMs - last.atMs) * this.#share;
    const usedMs = Math.max(0, runNs - last.runNs) / NS_PER_MS;
    this.#ms = Math.max(-DEBT_MAX_MS, Math.min(CREDIT_MAX_MS, this.#ms + earnedMs - usedMs));
    this.#last = { atMs, runNs };
  }

  get isOverdrawn(): boolean {
    return this.#ms < 0;
  }
}

/** One hundredth of a vCPU, all sources included. */
export const ALLOWED_SHARE = 0.01;
/** Half a minute's: some looks one after the other, as the beginning of a load needs them, on the slowest machine. */
const CREDIT_MAX_MS = 300;
/** A minute's: after a storm the sources are not left alone for longer. */
const DEBT_MAX_MS = 600;
const NS_PER_MS = 1_000_000;
