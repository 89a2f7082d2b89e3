import { expect, test } from "vitest";
import { childOf, childrenOf, namespaceOf, parseXml } from "./xml.ts";

test("elements, attributes, text, and what stands between them", () => {
  const root = parseXml(`<?xml version="1.0"?>
    <!-- WARNING: do not edit -->
    <domain type='kvm' id="3">
      <name>web &amp; mail</name>
      <empty/>
      <text>one <!-- two --> <![CDATA[<three>]]> &#52; &#x35;</text>
      <a:b xmlns:a="urn:a" c='"'/>
    </domain>
  `);
  expect([root.name, { ...root.attributes }]).toEqual(["domain", { type: "kvm", id: "3" }]);
  expect(childOf(root, "name")?.text).toBe("web & mail");
  expect(childOf(root, "text")?.text).toBe("one  <three> 4 5");
  expect(childOf(root, "empty", "nothing")).toBeUndefined();
  expect(childrenOf(root, "a:b").map(namespaceOf)).toEqual(["urn:a"]);
  expect(childOf(root, "a:b")?.attributes["c"]).toBe('"');
});

test.each([
  ["nothing", ""],
  ["text alone", "hello"],
  ["an element that does not end", "<a><b></b>"],
  ["elements that cross", "<a><b></a></b>"],
  ["two roots", "<a/><b/>"],
  ["an attribute without quotes", "<a b=c/>"],
  ["a comment that does not end", "<a><!-- </a>"],
  ["endless nesting", "<a>".repeat(100_000)],
])("%s is refused with its place", (_, text) => {
  expect(() => parseXml(text)).toThrow(/^Not well-formed XML at character \d+: /);
});

test("an attribute may have any name", () => {
  expect(parseXml('<a constructor="1" __proto__="2"/>').attributes["constructor"]).toBe("1");
});
