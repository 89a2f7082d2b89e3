/** Runs a whole simulation: a pure function from a config to a result. */
import type { SimulationConfig } from "./config.ts";
import { digest } from "./engine/digest.ts";
import {
  EVENT_ARRIVAL,
  EVENT_BALANCE,
  EVENT_BALLOON,
  EVENT_CONTROL,
  EVENT_END,
  EVENT_POLICY,
  EVENT_SLEEP,
  EVENT_START,
  EVENT_TICK,
} from "./engine/event_kinds.ts";
import { SLOT_GUEST, SLOT_WORK } from "./engine/slots.ts";
import { finishBalloon } from "./guest/balloon.ts";
import { GUEST_BALANCE_INTERVAL, powerOn } from "./guest/lifecycle.ts";
import { arriveAtDevice } from "./guest/queues.ts";
import { onGuestSlice, onWork } from "./guest/vcpu_step.ts";
import { balance, openVcpu, wakeOn } from "./guest_scheduler/run_queue.ts";
import { type Control, type Controller, createControl } from "./host/control.ts";
import { askReschedule, interrupt, makeDecisions } from "./host/dispatch.ts";
import { startTick } from "./host/timer_tick.ts";
import { Checker } from "./metrics/checker.ts";
import { type RunResult, resultOf } from "./metrics/result.ts";
import { IRQ_TICK, IRQ_TIMER, NOBODY } from "./tables.ts";
import { createWorld, type World } from "./world.ts";

export interface RunOptions {
  /** What changes pins and vCPU counts while the world runs: VCPU-Bal, time ballooning, a fault injector. */
  readonly controller?: Controller;
}

export function runSimulation(config: SimulationConfig, options: RunOptions = {}): RunResult {
  const world = createWorld(config);
  runWorld(world, options);
  return resultOf(world);
}

/** Runs a world to its end; for those who want to look into it afterwards. */
export function runWorld(w: World, options: RunOptions = {}): void {
  for (let d = 0; d < w.domains.count; d++) w.timers.arm(EVENT_START, d, w.domains.startAt[d]);
  w.timers.arm(EVENT_END, 0, w.config.until.at);
  const control = createControl(w);
  options.controller?.start(control);
  const checker = w.config.checks === true ? new Checker(w) : null;

  const { slots, timers } = w;
  while (!w.ended) {
    const slot = slots.first();
    const timer = timers.first();
    const slotTime = slots.time[slot];
    const timerTime = timers.time[timer];
    w.events++;
    // EVENT_END is always armed, so there is always a first timer.
    if (slotTime < timerTime || (slotTime === timerTime && slots.rankOf(slot) < timers.rankOf(timer))) {
      const kind = slots.kind[slot];
      w.now = slotTime;
      w.digest = digest(w.digest, slotTime, kind, slot);
      if (kind === SLOT_WORK) onWork(w, slot);
      else if (kind === SLOT_GUEST) onGuestSlice(w, slot);
      // SLOT_HOST: the slice, or the delay of a preemption, is over.
      else askReschedule(w, slot);
    } else {
      const kind = timers.kind[timer];
      w.now = timerTime;
      w.digest = digest(w.digest, timerTime, kind, timers.entity[timer]);
      timers.remove(timer);
      onTimer(w, kind, timers.entity[timer], control, options.controller);
    }
    if (w.reschedules > 0 || w.freshCount > 0) makeDecisions(w);
    if (checker !== null) checker.check();
  }
}

function onTimer(
  w: World,
  kind: number,
  entity: number,
  control: Control,
  controller: Controller | undefined,
): void {
  switch (kind) {
    case EVENT_START:
      powerOn(w, entity);
      return;
    case EVENT_SLEEP: {
      // The timer fires on the vCPU on which the task went to sleep.
      const v = openVcpu(w, entity);
      wakeOn(w, entity, v, NOBODY);
      interrupt(w, NOBODY, v, IRQ_TIMER);
      return;
    }
    case EVENT_ARRIVAL:
      arriveAtDevice(w, entity);
      return;
    case EVENT_BALANCE:
      balance(w, entity);
      w.timers.arm(EVENT_BALANCE, entity, w.now + GUEST_BALANCE_INTERVAL);
      return;
    case EVENT_BALLOON:
      if (finishBalloon(w, entity)) {
        controller?.onBallooned?.(control, w.vcpus.domain[entity], w.vcpus.index[entity]);
      }
      return;
    case EVENT_POLICY:
      w.policy.onTimer?.(entity);
      return;
    case EVENT_CONTROL:
      controller?.onTimer(control, entity);
      return;
    case EVENT_TICK:
      startTick(w, entity);
      interrupt(w, NOBODY, entity, IRQ_TICK);
      return;
    case EVENT_END:
      w.ended = true;
      return;
    default:
      throw new Error(`No timer has kind ${kind}`);
  }
}
