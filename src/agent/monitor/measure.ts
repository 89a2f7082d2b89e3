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

const ABOUT: Readonly<Record<Quantity, { readonly unit: Unit; readonly what: string }>> = {
  cycles: { unit: "cycles/s", what: "Physical processor cycles consumed by executing the vCPU" },
  switches: { unit: "switches/s", what: "Context switches, in all, to and from idle included" },
  "switches-same-process": { unit: "switches/s", what: "Context switches between threads of one process" },
  "switches-other-process": { unit: "switches/s", what: "Context switches between threads of two processes" },
  "switch-share": { unit: "%", what: "Consumed cycles that went into switching between threads" },
  "switch-share-same-process": { unit: "%", what: "The same, between threads of one process" },
  "switch-share-other-process": { unit: "%", what: "The same, between threads of two processes" },
  "runnable-threads": {
    unit: "threads",
    what: "Threads that run or wait to run, on average over the interval",
  },
  "runnable-processes": { unit: "processes", what: "Processes with such a thread" },
  "runnable-applications": { unit: "applications", what: "Applications with such a thread" },
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
    unit: ABOUT[quantity].unit,
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
      unit: ABOUT[quantity].unit,
      what: `${ABOUT[quantity].what}${OF[level]}, whichever of them switches (sum)`,
    }),
  );
  return [...maxima, ...groups];
}
