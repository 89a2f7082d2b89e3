/**
 * A real browser for the tests of the dashboard. What people see is also kept as pictures in dist/reports/page, to be
 * looked at.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll } from "vitest";

export interface BrowserForTests {
  /** A page of its own for each test, closed after it. */
  readonly open: (address: string, look?: BrowserContextOptions) => Promise<Page>;
  readonly heading: (name: string | RegExp) => Locator;
  readonly button: (name: string | RegExp) => Locator;
  readonly picture: (name: string) => Promise<void>;
  /** What an accessibility checker finds that keeps people out. */
  readonly barriers: () => Promise<string[]>;
  /** What the page said on the browser's console since it was opened. */
  readonly complaints: () => readonly string[];
}

const ROOT = join(import.meta.dirname, "..", "..");
const PICTURES = join(ROOT, "dist", "reports", "page");
/** Debian's name for it, and others'. */
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  existsSync,
);

/** To be called once in a test file. */
export function browserForTests(): BrowserForTests {
  let browser: Browser;
  let page: Page;
  let complaints: string[] = [];

  beforeAll(async () => {
    if (CHROMIUM === undefined) throw new Error("This test needs a browser: apt-get install chromium");
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    mkdirSync(PICTURES, { recursive: true });
  });
  afterEach(() => page?.context().close());
  afterAll(() => browser?.close());

  return {
    async open(address, look = {}) {
      complaints = [];
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...look });
      page = await context.newPage();
      page.on("console", (said) => {
        if (said.type() === "error" || said.type() === "warning") complaints.push(said.text());
      });
      page.on("pageerror", (error) => complaints.push(error.message));
      await page.goto(address);
      return page;
    },
    heading: (name) => page.getByRole("heading", { name }),
    button: (name) => page.getByRole("button", { name }),
    async picture(name) {
      await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
    },
    async barriers() {
      const axe = readFileSync(join(ROOT, "node_modules", "axe-core", "axe.min.js"), "utf8");
      await page.evaluate(axe);
      const found = await page.evaluate(
        "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'best-practice'] })",
      );
      const { violations } = found as {
        violations: { id: string; impact: string; nodes: { html: string }[] }[];
      };
      return violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
    },
    complaints: () => complaints,
  };
}
