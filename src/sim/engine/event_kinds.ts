/**
 * Kinds of events in the order in which they happen at equal times: first what runs on the pCPUs, then the timers.
 * The digest of a run is made of these numbers; changing them changes every golden digest.
 */
// 0, 1 and 2 are SLOT_WORK, SLOT_GUEST and SLOT_HOST of slots.ts; their entity is the pCPU, and among themselves
// they go by pCPU, since each has only one armed.
/** Entity: domain. Its vCPUs power on. */
export const EVENT_START = 3;
/** Entity: task. A sleep ends. */
export const EVENT_SLEEP = 4;
/** Entity: source. An item arrives. */
export const EVENT_ARRIVAL = 5;
/** Entity: domain. The guest's periodic load balance. */
export const EVENT_BALANCE = 6;
/** Entity: vCPU. A vCPU balloon operation is done. */
export const EVENT_BALLOON = 7;
/** Entity: a number of the policy's own. */
export const EVENT_POLICY = 8;
/** Entity: a number of the controller's own. */
export const EVENT_CONTROL = 9;
/** The end of the run. */
export const EVENT_END = 10;
/** Entity: vCPU. Its timer ticks. (After the end, because it came later and the numbers stay.) */
export const EVENT_TICK = 11;
