/** Bounds of what a scenario file may ask for, shared by its schemas. */

/** Far above any guest; how many vCPUs and tasks the engine can number is checked when all are known. */
export const VCPUS_MAX = 4096;
/** Linux knows no HZ above 1,200; more would only cost. */
export const TICKS_MAX = 10_000;
/** Bounds the memory of a workload; far above what a study of one host needs. */
export const TASKS_MAX = 10_000;
