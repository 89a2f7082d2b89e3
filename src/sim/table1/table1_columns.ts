/** The columns of Table 1: the six schedulers of the paper, and every further policy that there is. */
import type { HostConfig } from "../config.ts";
import type { ControllerConfig } from "../controller/controllers.ts";

export interface Table1Column {
  readonly scheduler: string;
  readonly host: HostConfig["scheduler"];
  /** What else the host has; pause-loop exits in any case. */
  readonly more?: Partial<HostConfig>;
  readonly controllers?: readonly ControllerConfig[];
  /** The plain scheduler that it is built upon; itself for a plain one. */
  readonly base: string;
  /** It stands in the paper's table. */
  readonly inPaper: boolean;
}

/** Plain ones first: the others are compared with them. */
export const TABLE1_COLUMNS: readonly Table1Column[] = [
  { scheduler: "credit", host: { kind: "credit" }, base: "credit", inPaper: true },
  { scheduler: "cfs", host: { kind: "cfs" }, base: "cfs", inPaper: true },
  { scheduler: "co-schedule", host: { kind: "strict-co" }, base: "credit", inPaper: true },
  { scheduler: "balance", host: { kind: "cfs", balance: "siblings-apart" }, base: "cfs", inPaper: true },
  { scheduler: "demand-based", host: { kind: "demand-based" }, base: "cfs", inPaper: true },
  {
    scheduler: "vcpu-bal",
    host: { kind: "credit" },
    controllers: [{ kind: "vcpu-bal" }],
    base: "credit",
    inPaper: true,
  },
  { scheduler: "credit2", host: { kind: "credit2" }, base: "credit2", inPaper: false },
  { scheduler: "eevdf", host: { kind: "eevdf" }, base: "eevdf", inPaper: false },
  { scheduler: "relaxed-co", host: { kind: "relaxed-co" }, base: "credit", inPaper: false },
  {
    scheduler: "affinity",
    host: { kind: "cfs" },
    controllers: [{ kind: "affinity" }],
    base: "cfs",
    inPaper: false,
  },
  {
    scheduler: "vscale",
    host: { kind: "credit", weightPer: "domain" },
    controllers: [{ kind: "vscale" }],
    base: "credit",
    inPaper: false,
  },
  {
    scheduler: "vcpu-bal on cfs",
    host: { kind: "cfs" },
    controllers: [{ kind: "vcpu-bal" }],
    base: "cfs",
    inPaper: false,
  },
  {
    scheduler: "vcpu-bal on balance",
    host: { kind: "cfs", balance: "siblings-apart" },
    controllers: [{ kind: "vcpu-bal" }],
    base: "cfs",
    inPaper: false,
  },
  {
    scheduler: "vcpu-bal on relaxed-co",
    host: { kind: "relaxed-co" },
    controllers: [{ kind: "vcpu-bal" }],
    base: "credit",
    inPaper: false,
  },
  {
    scheduler: "load-conscious balance",
    host: { kind: "cfs", balance: "load-conscious" },
    base: "cfs",
    inPaper: false,
  },
  {
    scheduler: "relaxed-co 3.x",
    host: { kind: "relaxed-co", generation: 3 },
    base: "credit",
    inPaper: false,
  },
  {
    scheduler: "avoidance, hinted",
    host: { kind: "credit" },
    more: { lockHolderAvoidance: "hinted" },
    base: "credit",
    inPaper: false,
  },
  {
    scheduler: "avoidance, observed",
    host: { kind: "credit" },
    more: { lockHolderAvoidance: "observed" },
    base: "credit",
    inPaper: false,
  },
  {
    scheduler: "preferred vCPUs",
    host: { kind: "credit" },
    controllers: [{ kind: "preferred-vcpus" }],
    base: "credit",
    inPaper: false,
  },
  {
    scheduler: "dynamic allocation",
    host: { kind: "credit" },
    controllers: [{ kind: "dynamic-allocation" }],
    base: "credit",
    inPaper: false,
  },
  {
    scheduler: "time ballooning",
    host: { kind: "credit" },
    controllers: [{ kind: "time-balloon" }],
    base: "credit",
    inPaper: false,
  },
  { scheduler: "round robin", host: { kind: "round-robin" }, base: "round robin", inPaper: false },
];
