/**
 * Facts of a host that no record holds. They can be measured in one guest alone, which tells nothing of what its guests do to each
 * other: what is predicted stays a prediction.
 */
export interface HostFacts {
  /** Whether it notices vCPUs that spin, and lets a sibling run. */
  readonly pauseLoopExits: boolean | null;
  /** What a vCPU loses of its speed when it shares its pCPU with another one. */
  readonly sharingLoss: number | null;
  /** On the simulator's costs of futexes, hand-overs and switches. */
  readonly meetingFactor: number | null;
  /** On its costs of interrupts between vCPUs. */
  readonly interruptFactor: number | null;
}

/** `null`: nobody said, so it is left open. */
export const NO_HOST_FACTS: HostFacts = {
  pauseLoopExits: null,
  sharingLoss: null,
  meetingFactor: null,
  interruptFactor: null,
};
