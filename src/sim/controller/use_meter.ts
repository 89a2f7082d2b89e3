/** What the host measures of the domains' pCPU time, in the steps in which the controller is told. */
import { type DomainUse, USE_STEP } from "../../core/event.ts";
import type { Control } from "../host/control.ts";

export class UseMeter {
  readonly #control: Control;
  #at = 0;
  #ran: readonly number[];
  #use: readonly DomainUse[] = [];

  constructor(control: Control) {
    this.#control = control;
    this.#ran = control.domains.map(() => 0);
  }

  /** The window from the last call until now. */
  measure(): void {
    const now = this.#control.now();
    const ran = this.#control.domains.map((_, d) => this.#ranOf(d));
    this.#use = this.#control.domains
      .map((domain, d) => ({ domain, used: inSteps((1000 * (ran[d] - this.#ran[d])) / (now - this.#at)), d }))
      .filter(({ d }) => this.#control.isPresent(d))
      .map(({ domain, used }) => ({ domain, used }))
      .sort((a, b) => (a.domain < b.domain ? -1 : 1));
    this.#at = now;
    this.#ran = ran;
  }

  use(): readonly DomainUse[] {
    return this.#use;
  }

  #ranOf(d: number): number {
    let sum = 0;
    for (let index = 0; index < this.#control.vcpusOf(d); index++) sum += this.#control.ranOf(d, index);
    return sum;
  }
}

function inSteps(milliPcpu: number): number {
  return Math.round(milliPcpu / USE_STEP) * USE_STEP;
}
