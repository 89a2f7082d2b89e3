/**
 * As much of XML 1.0 as libvirt writes: elements, attributes, text, comments, CDATA and the five named entities with
 * numbered ones. Names keep their prefix; namespaces are looked up where they matter (`namespaceOf`).
 */

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** All of its own text, trimmed. */
  readonly text: string;
}

/** Deeper than any definition; what is deeper was made to hurt. */
const DEPTH_MAX = 64;

/** Returns the root element. Throws, with the place, for what is not well-formed. */
export function parseXml(source: string): XmlElement {
  let at = 0;

  function fail(what: string): never {
    throw new Error(`Not well-formed XML at character ${at}: ${what}`);
  }
  function skip(end: string): string {
    const stop = source.indexOf(end, at);
    if (stop === -1) fail(`${JSON.stringify(end)} does not follow`);
    const passed = source.slice(at, stop);
    at = stop + end.length;
    return passed;
  }
  function skipSpaceAndNotes(): void {
    for (;;) {
      const rest = /^\s+/.exec(source.slice(at, at + 4_096));
      if (rest !== null) at += rest[0].length;
      else if (source.startsWith("<!--", at)) skip("-->");
      else if (source.startsWith("<?", at)) skip("?>");
      else return;
    }
  }
  function match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (found !== null) at = pattern.lastIndex;
    return found;
  }
  function element(depth: number): XmlElement {
    if (DEPTH_MAX < depth) fail(`more than ${DEPTH_MAX} elements inside one another`);
    const name = match(/<([A-Za-z_][\w.:-]*)/y)?.[1] ?? fail("an element must begin here");
    // No prototype: an attribute may be called "constructor".
    const attributes = Object.create(null) as Record<string, string>;
    for (;;) {
      const one = match(/\s+([A-Za-z_][\w.:-]*)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y);
      if (one === null) break;
      attributes[one[1]!] = decoded(one[2] ?? one[3] ?? "");
    }
    const close = match(/\s*(\/?)>/y) ?? fail(`the tag of ${name} does not end`);
    const children: XmlElement[] = [];
    let text = "";
    if (close[1] === "/") return { name, attributes, children, text };
    for (;;) {
      text += decoded(match(/[^<]+/y)?.[0] ?? "");
      if (source.startsWith("</", at)) break;
      if (source.startsWith("<!--", at)) skip("-->");
      else if (source.startsWith("<?", at)) skip("?>");
      else if (source.startsWith("<![CDATA[", at)) text += skip("]]>").slice("<![CDATA[".length);
      else children.push(element(depth + 1));
    }
    at += 2;
    if (skip(">").trimEnd() !== name) fail(`${name} is not closed`);
    return { name, attributes, children, text: text.trim() };
  }

  skipSpaceAndNotes();
  const root = element(1);
  skipSpaceAndNotes();
  if (at !== source.length) fail("something follows the root element");
  return root;
}

/** The children of this name, in order. */
export function childrenOf(element: XmlElement | undefined, name: string): readonly XmlElement[] {
  return (element?.children ?? []).filter((child) => child.name === name);
}

/** The first element at the end of the path, each step a child's name. */
export function childOf(element: XmlElement | undefined, ...path: readonly string[]): XmlElement | undefined {
  return path.reduce<XmlElement | undefined>(
    (inner, name) => inner?.children.find((child) => child.name === name),
    element,
  );
}

/** What an element's prefix stands for, where it is declared on the element itself, as libvirt writes it. */
export function namespaceOf({ name, attributes }: XmlElement): string | undefined {
  const colon = name.indexOf(":");
  return attributes[colon === -1 ? "xmlns" : `xmlns:${name.slice(0, colon)}`];
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function decoded(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([\da-fA-F]+)|(\w+));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[String(name)] ?? whole;
    const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
    return code <= 0x10_ffff ? String.fromCodePoint(code) : whole;
  });
}
