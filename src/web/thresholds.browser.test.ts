/** The form for thresholds (P-59) in a real browser: the shipped daemon, and a simulated guest that watches its load. */
import type { Page } from "playwright-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type DaemonApi, openDaemonApi, WRITE_TOKEN } from "../daemon/api/daemon_api_suite.ts";
import { browserForTests } from "./browser_suite.ts";

const { open, button, picture, barriers, complaints } = browserForTests();
let api: DaemonApi;
let page: Page;

beforeEach(async () => {
  api = await openDaemonApi();
  api.host.arrive({ id: "mail", vcpus: 4, hasMonitor: true });
  api.host.setOwnThresholds("mail", [
    { measure: "vcpu.composite", value: 1, origin: "default" },
    { measure: "vm.composite", value: 1.5, origin: "file" },
  ]);
  api.host.setMeasures("mail", [
    { measure: "vcpu.composite", subjects: [0, 1, 2, 3], values: [0.4, 1.6, 0.2, null] },
    { measure: "vm.composite", subjects: [-1], values: [0.7] },
    { measure: "vm.runnable-threads", subjects: [-1], values: [3] },
  ]);
  page = await open(`http://127.0.0.1:${api.port}/?domain=mail#token=${WRITE_TOKEN}`);
});

afterEach(() => api.close());

const row = (measure: string) => page.getByRole("row", { name: new RegExp(`^${measure}`) });
const field = (measure: string) => page.getByLabel(`Threshold of ${measure}`);
const setBy = (measure: string) => row(measure).locator(".below .faint");

/** What the guest was told and says is in force: the simulated guest does as the host's monitor settings say. */
function inForce(measure: string): unknown {
  const mail = api.daemon.view().domains.find(({ name }) => name === "mail");
  return mail?.monitor?.inForce?.find((each) => each.measure === measure);
}

test("one is changed: it is the host's own, reaches the guest, and is given back to it", async () => {
  await expect.poll(() => setBy("vcpu.composite").textContent()).toBe("the agent's default");
  expect(await setBy("vm.composite").textContent()).toBe("in the guest's file");
  expect(await row("vcpu.composite").textContent()).toContain("1.6 ratio of vCPU 1");
  expect(await row("vcpu.composite").getByRole("button").count()).toBe(0);

  await field("vcpu.composite").fill("2.5");
  await picture("threshold-typed");
  await field("vcpu.composite").press("Enter");
  await expect.poll(() => setBy("vcpu.composite").textContent()).toBe("set by the host");
  expect(await field("vcpu.composite").inputValue()).toBe("2.5");
  expect(inForce("vcpu.composite")).toEqual({ measure: "vcpu.composite", value: 2.5, origin: "host" });
  expect(api.overrides()).toEqual({ mail: { monitor: { thresholds: { "vcpu.composite": 2.5 } } } });
  expect(api.log.join("\n")).toContain(
    "mail: threshold vcpu.composite was as the guest has it, is 2.5 now; changed by the page",
  );
  expect(await setBy("vm.composite").textContent()).toBe("in the guest's file");
  await picture("threshold-set");
  expect(await barriers()).toEqual([]);

  await row("vcpu.composite").getByRole("button", { name: "Reset" }).click();
  await expect.poll(() => setBy("vcpu.composite").textContent()).toBe("the agent's default");
  expect(await field("vcpu.composite").inputValue()).toBe("1");
  expect(inForce("vcpu.composite")).toEqual({ measure: "vcpu.composite", value: 1, origin: "default" });
  expect(api.overrides()).toEqual({});
  expect(complaints()).toEqual([]);
});

test.each([1280, 390])(
  "on a screen of %i pixels the form is seen without scrolling sideways",
  async (width) => {
    await page.setViewportSize({ width, height: 844 });
    await field("vcpu.composite").fill("2.5");
    const overflow = await page.evaluate(
      "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('[aria-label=Measures]'))",
    );
    expect(overflow).toBe(0);
    await picture(`threshold-${width}`);
  },
);

test("an empty field is none: it is not watched, stays in the list, and can be taken back", async () => {
  await field("vm.composite").fill("");
  await row("vm.composite").getByRole("button", { name: "Set" }).click();
  await expect.poll(() => setBy("vm.composite").textContent()).toBe("set by the host");
  expect(inForce("vm.composite")).toEqual({ measure: "vm.composite", value: null, origin: "host" });
  expect(await field("vm.composite").inputValue()).toBe("");
  await row("vm.composite").getByRole("button", { name: "Reset" }).click();
  await expect.poll(() => setBy("vm.composite").textContent()).toBe("in the guest's file");
});

test("a measure that nobody watches is given a threshold", async () => {
  await button("All 3 measures").click();
  await field("vm.runnable-threads").fill("8");
  await row("vm.runnable-threads").getByRole("button", { name: "Set" }).click();
  await expect.poll(() => setBy("vm.runnable-threads").textContent()).toBe("set by the host");
  await button("Only those with a threshold").click();
  expect(await field("vm.runnable-threads").inputValue()).toBe("8");
});

test.each(["-1", "many", "1e300"])(
  "%s is refused with the daemon's words, and nothing changes; undone, all is as before",
  async (typed) => {
    await field("vcpu.composite").fill(typed);
    await field("vcpu.composite").press("Enter");
    await expect
      .poll(() => page.getByRole("alert").textContent())
      .toMatch(/A threshold is a number, 0 or more, not .*Write one in the measure's unit/);
    expect(await field("vcpu.composite").getAttribute("aria-invalid")).toBe("true");
    expect(inForce("vcpu.composite")).toEqual({ measure: "vcpu.composite", value: 1, origin: "default" });
    expect(api.overrides()).toEqual({});
    await picture("threshold-refused");
    await row("vcpu.composite").getByRole("button", { name: "Undo" }).click();
    expect(await field("vcpu.composite").inputValue()).toBe("1");
    expect(await page.getByRole("alert").count()).toBe(0);
  },
);
