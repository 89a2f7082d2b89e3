/** The data of each whole event, and what is left for the next chunk. */
export function splitEvents(text: string): { readonly events: readonly string[]; readonly rest: string } {
  const blocks = text.split(/\r?\n\r?\n/);
  const rest = blocks.pop() ?? "";
  const events = blocks.flatMap((block) => {
    const data = block
      .split(/\r?\n/)
      .filter((line) => line.startsWith("data:"))
      .map((line) => line.slice("data:".length).trimStart());
    return data.length === 0 ? [] : [data.join("\n")];
  });
  return { events, rest };
}
