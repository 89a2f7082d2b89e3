/**
 * Where the compiled form of a thread's entry is: beside this file, or in dist/ when this file itself runs from its source,
 * as under the tests. Node starts threads from JavaScript only.
 */
export function threadFile(name: string): URL {
  const isSource = import.meta.url.endsWith(".ts");
  return new URL(isSource ? `../../dist/daemon/${name}` : `./${name}`, import.meta.url);
}
