/** SVG as text, without a DOM: elements from names, attributes and children. Text is escaped, numbers are rounded. */
export type SvgNode = string;

export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  ...children: readonly SvgNode[]
): SvgNode {
  const written = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? rounded(value) : escaped(value)}"`)
    .join("");
  return children.length === 0 ? `<${name}${written}/>` : `<${name}${written}>${children.join("")}</${name}>`;
}

export interface TextOptions {
  readonly x: number;
  readonly y: number;
  readonly anchor?: "start" | "middle" | "end";
  readonly size?: number;
  readonly colour?: string;
  readonly bold?: boolean;
  readonly rotate?: number;
}

export function text(content: string, options: TextOptions): SvgNode {
  const { x, y, anchor = "start", size = TEXT_SIZE, colour = INK, bold = false, rotate } = options;
  return element(
    "text",
    {
      x,
      y,
      "text-anchor": anchor,
      "font-size": size,
      fill: colour,
      ...(bold ? { "font-weight": "bold" } : {}),
      ...(rotate === undefined ? {} : { transform: `rotate(${rotate} ${rounded(x)} ${rounded(y)})` }),
    },
    escaped(content),
  );
}

export function line(
  from: readonly [number, number],
  to: readonly [number, number],
  more: object = {},
): SvgNode {
  return element("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1], stroke: INK, ...more });
}

/** A drawing with its ground: white, so that it prints and reads the same everywhere. */
export function drawing(
  size: { readonly width: number; readonly height: number },
  title: string,
  body: SvgNode[],
): string {
  const { width, height } = size;
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${rounded(width)} ${rounded(height)}`,
      width: "100%",
      role: "img",
      "aria-label": title,
      "font-family": FONT,
    },
    element("rect", { width, height, fill: "#ffffff" }),
    ...body,
  );
}

/** Present on Debian as fonts-dejavu-core, and the one that PNG export names; a browser without it takes its own. */
export const FONT = "DejaVu Sans, Verdana, sans-serif";
export const TEXT_SIZE = 12;
export const SMALL = 10.5;
export const INK = "#1b1f24";
export const FAINT = "#5b6570";
export const GRID = "#dfe3e8";

export function escaped(content: string): string {
  return content
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** Hundredths of a unit, so that equal pictures are equal bytes. */
function rounded(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** The width of a text in DejaVu Sans, roughly: enough to place a legend. */
export function widthOf(content: string, size = TEXT_SIZE): number {
  return content.length * size * 0.62;
}
