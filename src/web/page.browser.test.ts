/** The dashboard in a real browser, served by the shipped daemon on a simulated host. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterEach, describe, expect, test } from "vitest";
import { browserForTests } from "./browser_suite.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const TOKEN = "a-token-that-is-long-enough-for-the-tests";

const browser = browserForTests();
const { picture, barriers, heading, button, complaints } = browser;
let page: Page;
let folder: string;
let daemon: ChildProcess | null = null;
let said = "";

afterEach(() => {
  daemon?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

interface World {
  readonly mode?: "enforce" | "observe";
  readonly pcpus: string;
  readonly domains: readonly string[];
}

const TWO: World = {
  pcpus: "{ pcpus: 12 }",
  domains: ["{ name: vm1, weight: 512, vcpus: 12 }", "{ name: vm2, weight: 256, vcpus: 12 }"],
};

const CROWD: World = {
  pcpus: "{ pcpus: 128 }",
  domains: Array.from(
    { length: 100 },
    (_, i) => `{ name: guest${String(i).padStart(3, "0")}, weight: ${128 << (i % 3)}, vcpus: 4 }`,
  ),
};

/** The shipped daemon, as an administrator starts it. Resolves with the page's address. */
async function serve({ mode = "enforce", pcpus, domains }: World): Promise<string> {
  folder = mkdtempSync(join(tmpdir(), "vbal-page-"));
  const port = await freePort();
  writeFileSync(
    join(folder, "host.yaml"),
    [
      `host: ${pcpus}`,
      domains.length === 0 ? "domains: []" : "domains:",
      ...domains.map((d) => `  - ${d}`),
    ].join("\n"),
  );
  writeFileSync(join(folder, "token"), `${TOKEN}\n`);
  chmodSync(join(folder, "token"), 0o600);
  const config = [
    `mode: ${mode}`,
    "interval: 250ms",
    "hypervisor: { kind: simulated, from: host.yaml }",
    "journal: { path: journal.jsonl }",
    `control: { socket: control.sock, tcp: { address: 127.0.0.1, port: ${port}, tokens: { write: token } } }`,
  ];
  writeFileSync(join(folder, "vbal.yaml"), config.join("\n"));
  start();
  const address = `http://127.0.0.1:${port}/`;
  // With what the daemon said, should it not come up.
  const answered = () =>
    fetch(address).then(
      ({ status }) => `${status}`,
      () => `no answer: ${said}`,
    );
  await expect.poll(answered).toBe("200");
  return address;
}

function start(): void {
  const main = join(ROOT, "dist", "cli", "main.js");
  daemon = spawn(process.execPath, [main, "up", "--config", join(folder, "vbal.yaml")]);
  said = "";
  for (const stream of [daemon.stdout, daemon.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
}

async function open(...where: Parameters<typeof browser.open>): Promise<void> {
  page = await browser.open(...where);
}

const withToken = (address: string) => `${address}#token=${TOKEN}`;

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

describe("two domains on twelve pCPUs", () => {
  test("B-5..B-7: the map, the table and the reasons show what the daemon decided", async () => {
    await open(withToken(await serve(TWO)));
    await expect.poll(() => page.getByRole("row", { name: /vm1/ }).textContent()).toContain("8 of 12");
    expect(await page.getByRole("row", { name: /vm2/ }).textContent()).toContain("4 of 12");
    await expect.poll(() => button(/^pCPU 11,/).getAttribute("aria-label")).toMatch(/node 0: vm2 vCPU 3/);
    await button("vm1").first().click();
    await expect.poll(() => page.getByRole("complementary").textContent()).toMatch(/Why it is so.*weight/is);
    expect(page.url()).toMatch(/\?domain=vm1$/);
    await picture("two-domains");
    expect(await barriers()).toEqual([]);
    expect(complaints()).toEqual([]);
  });

  test("P-59: a weight is changed in the form: what it would do is shown first, then it is applied", async () => {
    await open(withToken(await serve(TWO)));
    await button("vm2").first().click();
    await page.getByLabel("Weight").fill("512");
    await button("Show what it would change").click();
    const shown = page.locator(".preview");
    await expect.poll(() => shown.textContent()).toMatch(/vm1: 8 → 6 vCPUs.*vm2: 4 → 6 vCPUs/s);
    expect(await page.getByRole("row", { name: /vm1/ }).textContent()).toContain("8 of 12");
    await picture("preview");
    await button("Apply").click();
    await expect.poll(() => page.getByRole("row", { name: /vm1/ }).textContent()).toContain("6 of 12");
    expect(complaints()).toEqual([]);
  });

  test("a value that cannot be is refused with the daemon's own words, and nothing changes", async () => {
    await open(withToken(await serve(TWO)));
    await button("vm2").first().click();
    await page.getByLabel("Weight").fill("-3");
    await button("Show what it would change").click();
    await expect.poll(() => page.getByRole("complementary").textContent()).toMatch(/weight.*1 to 65535/i);
    expect(await page.getByRole("row", { name: /vm2/ }).textContent()).toContain("256");
  });

  test("with the keyboard alone: a cell of the map is walked to, a domain is opened, read and closed", async () => {
    await open(withToken(await serve(TWO)));
    await button(/^pCPU 0,/).focus();
    await page.keyboard.press("End");
    expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toMatch(/^pCPU 11,/);
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.evaluate("document.activeElement.textContent")).toMatch(/vm2/);
    await page.keyboard.press("Escape");
    await expect.poll(() => page.getByRole("complementary").count()).toBe(0);
  });

  test("observing: what would be done is named, and nothing is done", async () => {
    await open(withToken(await serve({ ...TWO, mode: "observe" })));
    await expect.poll(() => heading("Observing: nothing is changed").count()).toBe(1);
    expect(await page.locator(".would").textContent()).toContain("Ask the guest to use vCPUs 0-7");
    expect(await page.getByRole("row", { name: /vm1/ }).textContent()).toContain("12 → 8 of 12");
    await picture("observing");
    expect(await barriers()).toEqual([]);
  });

  test("a pause is begun and ended", async () => {
    await open(withToken(await serve(TWO)));
    await button("Pause").click();
    await expect.poll(() => heading(/^Paused/).count()).toBe(1);
    await button("Resume").click();
    await expect.poll(() => heading(/^Paused/).count()).toBe(0);
  });
});

describe("what can go wrong", () => {
  test("without a token the page asks for one, says how to get it, and goes on with it", async () => {
    await open(await serve(TWO));
    await expect.poll(() => page.getByLabel("Token").count()).toBe(1);
    expect(await page.textContent("body")).toContain("vbal page");
    await picture("token");
    expect(await barriers()).toEqual([]);
    await page.getByLabel("Token").fill("wrong");
    await button("Open").click();
    await page.getByLabel("Token").fill(TOKEN);
    await button("Open").click();
    await expect.poll(() => heading("Domains").count()).toBe(1);
  });

  test("the token leaves the address at once", async () => {
    const address = await serve(TWO);
    await open(withToken(address));
    await expect.poll(() => heading("Domains").count()).toBe(1);
    expect(page.url()).toBe(address);
  });

  test("the daemon dies: what is shown is marked as old; it comes back: the page goes on by itself", async () => {
    await open(withToken(await serve(TWO)));
    await expect.poll(() => heading("Domains").count()).toBe(1);
    daemon?.kill("SIGKILL");
    await expect
      .poll(() => page.getByRole("status").first().textContent())
      .toMatch(/No word from the daemon since/);
    await picture("lost");
    start();
    await expect.poll(() => page.getByRole("status").first().textContent()).toBe("live");
  });

  test("no domains: the page says where they are looked for", async () => {
    await open(withToken(await serve({ ...TWO, domains: [] })));
    await expect.poll(() => heading("No domains").count()).toBe(1);
    await picture("empty");
    expect(await barriers()).toEqual([]);
  });

  test("a domain that is not there, named by a link", async () => {
    await open(`${await serve(TWO)}?domain=gone#token=${TOKEN}`);
    await expect.poll(() => page.getByRole("complementary").textContent()).toContain("not on the host now");
  });
});

describe("100 domains on 128 pCPUs", () => {
  test("are all there, can be found, and a view a second keeps the page free to answer", async () => {
    await open(withToken(await serve(CROWD)));
    await expect.poll(() => page.locator(".pcpu").count()).toBe(128);
    await expect.poll(() => page.locator("table.domains tbody tr").count()).toBe(100);
    await page.getByRole("searchbox").fill("guest042");
    await expect.poll(() => page.locator("table.domains tbody tr").count()).toBe(1);
    await page.getByRole("searchbox").fill("");
    await picture("crowd");
    expect(complaints()).toEqual([]);
  });
});

describe("whoever looks at it", () => {
  test.each([
    { name: "phone", look: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true } },
    { name: "dark", look: { colorScheme: "dark" as const } },
    { name: "wall", look: { viewport: { width: 3_840, height: 2_160 } } },
  ])("on $name: nothing is cut off sideways, and the checker finds no barrier", async ({ name, look }) => {
    await open(`${await serve(TWO)}?domain=vm1#token=${TOKEN}`, look);
    await expect.poll(() => page.getByRole("complementary").count()).toBe(1);
    const overflow = await page.evaluate(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    expect(overflow).toBe(0);
    await picture(name);
    expect(await barriers()).toEqual([]);
  });

  test("the script is under 60 KB on the wire", () => {
    expect(statSync(join(ROOT, "dist", "web", "page.js.gz")).size).toBeLessThan(60 * 1024);
  });
});
