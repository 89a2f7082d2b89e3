/**
 * Which vCPUs of a domain are used for a target. In this order: vCPU 0 always; one that cannot be offlined always;
 * those in use now, so that the fewest change (pitfall 13: offlining destroys task affinities); of a guest core the
 * first SMT thread before the second; guest nodes evenly; lowest index.
 */
import type { GuestReport, Vcpu } from "./model.ts";
import type { VcpuIndex } from "./units.ts";

/** The indices to use, ascending. More than `target` only if more cannot be offlined. */
export function chooseOnline({ target, vcpus, guest }: OnlineChoice): VcpuIndex[] {
  const reports = new Map(guest.vcpus.map((vcpu) => [vcpu.index, vcpu]));
  const kept: Vcpu[] = [];
  const used: Vcpu[] = [];
  const unused: Vcpu[] = [];
  for (const vcpu of vcpus) {
    const report = reports.get(vcpu.index);
    // A vCPU that the guest has not mentioned was plugged a moment ago; it is not in use.
    if (vcpu.index === 0 || (report?.online === true && !report.canOffline)) kept.push(vcpu);
    else if (report?.online === true) used.push(vcpu);
    else unused.push(vcpu);
  }
  const perNode = new Map<number, number>();
  const chosen: VcpuIndex[] = [];
  for (const vcpu of kept) {
    chosen.push(vcpu.index);
    perNode.set(vcpu.guestNode, (perNode.get(vcpu.guestNode) ?? 0) + 1);
  }
  for (const candidates of [used, unused]) {
    for (const vcpu of inOrderOfWorth({ candidates, perNode })) {
      if (target <= chosen.length) break;
      chosen.push(vcpu.index);
    }
  }
  return chosen.sort((a, b) => a - b);
}

export interface OnlineChoice {
  readonly target: number;
  /** Every plugged vCPU, ordered by index. */
  readonly vcpus: readonly Vcpu[];
  readonly guest: GuestReport;
}

/**
 * Best first; counts what it yields into `perNode`. Growing by the emptiest node and shrinking from the fullest are
 * the same order read in two directions, so one order serves both.
 */
function* inOrderOfWorth({ candidates, perNode }: Worth): Generator<Vcpu> {
  for (const threads of [false, true]) {
    const queues = new Map<number, Vcpu[]>();
    for (const vcpu of candidates) {
      if (0 < vcpu.guestThread !== threads) continue;
      const queue = queues.get(vcpu.guestNode);
      if (queue === undefined) queues.set(vcpu.guestNode, [vcpu]);
      else queue.push(vcpu);
    }
    const heads = new Map([...queues.keys()].map((node) => [node, 0]));
    while (0 < heads.size) {
      let best: { readonly node: number; readonly count: number; readonly vcpu: Vcpu } | null = null;
      for (const [node, head] of heads) {
        const vcpu = queues.get(node)![head]!;
        const count = perNode.get(node) ?? 0;
        if (best === null || count < best.count || (count === best.count && vcpu.index < best.vcpu.index)) {
          best = { node, count, vcpu };
        }
      }
      const { node, count, vcpu } = best!;
      perNode.set(node, count + 1);
      const head = heads.get(node)! + 1;
      if (head === queues.get(node)!.length) heads.delete(node);
      else heads.set(node, head);
      yield vcpu;
    }
  }
}

interface Worth {
  readonly candidates: readonly Vcpu[];
  readonly perNode: Map<number, number>;
}
