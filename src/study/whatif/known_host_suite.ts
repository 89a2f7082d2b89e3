/** Hosts whose truth is known, as the tests of `whatif` play them. */
import { BUSY_DOMAIN, type KnownHostOptions, NOTHING_SEEN, playKnownHost, QUIET_HOST } from "./known_host.ts";
import type { DomainModel, HostModel } from "./model.ts";
import type { Recording } from "./recording.ts";
import { type DomainAnswer, whatIf } from "./whatif.ts";
import type { Outcome } from "./world.ts";

export const SHORT_NS = 200_000_000;
export const ALL_BUT_LOOKS: KnownHostOptions["sees"] = {
  ...NOTHING_SEEN,
  switches: true,
  dispatches: true,
  interrupts: true,
};

export interface TruthOptions {
  readonly sees?: KnownHostOptions["sees"];
  readonly host?: Partial<HostModel>;
}

export interface Truth {
  readonly recording: Recording;
  readonly gain: number;
  readonly before: readonly Outcome[];
}

/** Two guests that do the same. */
export function truthOf(
  own: Partial<DomainModel>,
  { sees = ALL_BUT_LOOKS, host = {} }: TruthOptions = {},
): Truth {
  const domain: DomainModel = { ...BUSY_DOMAIN, ...own };
  const model = { host: { ...QUIET_HOST, ...host }, domains: [domain, domain] };
  const { recording, gains, shown } = playKnownHost(model, { sees, simulatedNs: SHORT_NS });
  return { recording, gain: gains[0]!, before: shown };
}

export function strictAnswer(recording: Recording, draws = 30): DomainAnswer {
  const { policies } = whatIf(recording, { draws, simulatedNs: SHORT_NS });
  return policies.find(({ policy }) => policy === "vbal strict")!.domains[0]!;
}
