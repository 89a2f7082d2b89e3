/** Every host policy by name. The config of each is its own type, so a scenario cannot give one what another takes. */
import { unreachable } from "../../core/unreachable.ts";
import { type CfsConfig, cfs } from "./cfs.ts";
import { type CreditConfig, credit } from "./credit.ts";
import { type Credit2Config, credit2 } from "./credit2.ts";
import { type DemandBasedConfig, demandBased } from "./demand_based.ts";
import { type EevdfConfig, eevdf } from "./eevdf.ts";
import type { Host, HostPolicy } from "./policy.ts";
import { type RelaxedCoConfig, relaxedCo } from "./relaxed_co.ts";
import { type RoundRobinConfig, roundRobin } from "./round_robin.ts";
import { type StrictCoConfig, strictCo } from "./strict_co.ts";

export type SchedulerConfig =
  | RoundRobinConfig
  | CfsConfig
  | EevdfConfig
  | CreditConfig
  | Credit2Config
  | StrictCoConfig
  | RelaxedCoConfig
  | DemandBasedConfig;

export function createPolicy(host: Host, config: SchedulerConfig): HostPolicy {
  switch (config.kind) {
    case "round-robin":
      return roundRobin(host, config);
    case "cfs":
      return cfs(host, config);
    case "eevdf":
      return eevdf(host, config);
    case "credit":
      return credit(host, config);
    case "credit2":
      return credit2(host, config);
    case "strict-co":
      return strictCo(host, config);
    case "relaxed-co":
      return relaxedCo(host, config);
    case "demand-based":
      return demandBased(host, config);
    default:
      return unreachable(config);
  }
}
