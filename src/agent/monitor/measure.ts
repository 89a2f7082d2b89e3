/**
 * The measures of system load: ten quantities of a vCPU (P-25..P-34), each also for a virtual NUMA node (P-35..P-44)
 * and for the whole VM (P-45..P-54), and the variants that the requirements allow beside them (maximum instead of
 * average, P-42..P-44 and P-52..P-54; switches of a group counted as a whole, P-55). Ids are stable: files, the host
 * and people name measures by them.
 */
export interface Measure {
  /** `LEVEL.QUANTITY`, a variant with a third part: "node.runnable-threads.maximum". */
  readonly id: string;
  /** The requirement that asks for it: "P-25". */
  readonly requirement: string;
  readonly level: Level;
  readonly quantity: Quantity;
  /** How it comes from the vCPUs; `none` for a vCPU's own. */
  readonly aggregation: Aggregation;
  readonly unit: Unit;
  /** For people. */
  readonly what: string;
  /** Where it comes from; a reading says more, such as how much of the interval was traced. */
  readonly source: string;
  /** What bounds the cost of reading it. */
  readonly bound: string;
}

/** In the order of FIG. 4. */
export const LEVELS = ["vcpu", "node", "vm"] as const;
export type Level = (typeof LEVELS)[number];

export type Aggregation = "none" | "sum" | "average" | "maximum";

/** `ratio`: 1 is where a combination reaches its threshold. */
export type Unit = "cycles/s" | "switches/s" | "%" | "threads" | "processes" | "applications" | "ratio";

/** In the order of P-25..P-34, which P-35.. and P-45.. repeat. */
export const QUANTITIES = [
  "cycles",
  "switches",
  "switches-same-process",
  "switches-other-process",
  "switch-share",
  "switch-share-same-process",
  "switch-share-other-process",
  "runnable-threads",
  "runnable-processes",
  "runnable-applications",
] as const;
export type Quantity = (typeof QUANTITIES)[number];

/** Where numbers come from, and what keeps the cost of reading them bounded whatever the guest does. */
const COUNTERS = {
  source: "/proc/schedstat and /proc/stat at both ends of the interval",
  bound: "two files at either end",
};
const TRACE = {
  source: "the exact totals, divided as a trace of sched_switch in a part of the interval shows",
  bound: "a table of 512 rows; as long as 0.4 % of a vCPU allows, above 30,000 switches/s 50 ms once in 20 s",
};
const CALIBRATED = {
  source: `${TRACE.source}, times the cost of one switch as calibrated at the start`,
  bound: `${TRACE.bound}; the calibration takes some tens of milliseconds, once`,
};
const THREADS = {
  source: "/proc/TID/schedstat of the threads that the trace saw",
  bound: "128 threads, and 5 ms in one sample",
};

const ABOUT: Readonly<Record<Quantity, Pick<Measure, "unit" | "what" | "source" | "bound">>> = {
  cycles: {
    unit: "cycles/s",
    what: "Physical processor cycles consumed by executing the vCPU",
    source: "run time of the vCPU's thread as the host tells it, else /proc/stat; times the frequency",
    bound: COUNTERS.bound,
  },
  switches: {
    unit: "switches/s",
    what: "Context switches, in all, to and from idle included",
    ...COUNTERS,
  },
  "switches-same-process": {
    unit: "switches/s",
    what: "Context switches between threads of one process",
    ...TRACE,
  },
  "switches-other-process": {
    unit: "switches/s",
    what: "Context switches between threads of two processes",
    ...TRACE,
  },
  "switch-share": {
    unit: "%",
    what: "Consumed cycles that went into switching between threads",
    ...CALIBRATED,
  },
  "switch-share-same-process": {
    unit: "%",
    what: "The same, between threads of one process",
    ...CALIBRATED,
  },
  "switch-share-other-process": {
    unit: "%",
    what: "The same, between threads of two processes",
    ...CALIBRATED,
  },
  "runnable-threads": {
    unit: "threads",
    what: "Threads that run or wait to run, on average over the interval",
    ...COUNTERS,
  },
  "runnable-processes": { unit: "processes", what: "Processes with such a thread", ...THREADS },
  "runnable-applications": { unit: "applications", what: "Applications with such a thread", ...THREADS },
};

const REQUIREMENT_FIRST: Readonly<Record<Level, number>> = { vcpu: 25, node: 35, vm: 45 };

const OF: Readonly<Record<Level, string>> = {
  vcpu: "",
  node: ", of the vCPUs of a virtual NUMA node",
  vm: ", of all vCPUs",
};

/** In the order of FIG. 4: vCPU, node, VM. */
export const MEASURES: readonly Measure[] = allMeasures();

function allMeasures(): readonly Measure[] {
  return LEVELS.flatMap((level) => [
    ...QUANTITIES.map((quantity, place) => measureOf(level, quantity, REQUIREMENT_FIRST[level] + place)),
    ...(level === "vcpu" ? [] : variantsOf(level)),
  ]);
}

function measureOf(level: Level, quantity: Quantity, requirement: number): Measure {
  const aggregation = level === "vcpu" ? "none" : quantity === "cycles" ? "sum" : "average";
  return {
    id: `${level}.${quantity}`,
    requirement: `P-${requirement}`,
    level,
    quantity,
    aggregation,
    ...ABOUT[quantity],
    what: `${ABOUT[quantity].what}${OF[level]}${aggregation === "none" ? "" : ` (${aggregation})`}`,
  };
}

function variantsOf(level: "node" | "vm"): readonly Measure[] {
  const maxima = (["runnable-threads", "runnable-processes", "runnable-applications"] as const).map(
    (quantity): Measure => {
      const plain = measureOf(level, quantity, REQUIREMENT_FIRST[level] + QUANTITIES.indexOf(quantity));
      const what = `${ABOUT[quantity].what}${OF[level]} (maximum)`;
      return { ...plain, id: `${plain.id}.maximum`, aggregation: "maximum", what };
    },
  );
  const groups = (["switches", "switches-same-process", "switches-other-process"] as const).map(
    (quantity): Measure => ({
      id: `${level}.${quantity}.group`,
      requirement: "P-55",
      level,
      quantity,
      aggregation: "sum",
      ...ABOUT[quantity],
      what: `${ABOUT[quantity].what}${OF[level]}, whichever of them switches (sum)`,
    }),
  );
  return [...maxima, ...groups];
}
