/**
 * The safeguards of the controller by name, so that a test can switch one off and show what it is there for.
 * Everything but such a test uses `ALL_SAFEGUARDS`.
 */
export interface Safeguards {
  /** Give a pCPU only when its last user is reported gone. Off: two domains run on one pCPU that is planned for one. */
  readonly confirmTakes: boolean;
  /** Ask a guest for one more vCPU only when that vCPU is reported in its place. Off: it runs on somebody else's pCPU. */
  readonly placeBeforeOnline: boolean;
  /** Let one vCPU of a circle through. Off: domains that exchange pCPUs wait for each other for ever. */
  readonly breakCircles: boolean;
  /** A request is decided once, however often it is heard. Off: a lost answer grants twice. */
  readonly answerOnce: boolean;
  /** Lend only to a guest that the host sees at work. Off: a guest that lies about its load gets what others leave. */
  readonly lendOnlyToBusy: boolean;
  /** Lend on request only what two looks in a row saw unused. Off: a load that comes each second lends its vCPUs in between. */
  readonly lendAfterTwoLooks: boolean;
  /** Unplug only what was unused for long. Off: a guest whose load comes and goes has the same vCPU plugged each time. */
  readonly unplugSlowly: boolean;
}

export const ALL_SAFEGUARDS: Safeguards = {
  confirmTakes: true,
  placeBeforeOnline: true,
  breakCircles: true,
  answerOnce: true,
  lendOnlyToBusy: true,
  lendAfterTwoLooks: true,
  unplugSlowly: true,
};
