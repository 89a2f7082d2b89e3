/** Facts of a host that no record of its guests holds; `null`: nobody said, so models leave it open. */
export interface HostFacts {
  /** Whether it notices vCPUs that spin, and lets a sibling run. */
  readonly pauseLoopExits: boolean | null;
  /**
   * The part of its speed that a vCPU loses when it shares its pCPU with another one. One guest alone on its host tells it: how much
   * less two computing threads get done on two vCPUs on one pCPU than one thread does there.
   */
  readonly sharingLoss: number | null;
  /** What it takes to block a thread and to wake another one on the same vCPU of one guest alone. Nanoseconds on a pCPU. */
  readonly handoverNs: number | null;
  /** How much more where the other one's vCPU sleeps and has to be interrupted: both vCPUs' time together. Nanoseconds on a pCPU. */
  readonly wakeupNs: number | null;
}

export const NO_HOST_FACTS: HostFacts = {
  pauseLoopExits: null,
  sharingLoss: null,
  handoverNs: null,
  wakeupNs: null,
};
