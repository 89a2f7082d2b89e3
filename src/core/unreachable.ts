/** Ends every switch over a closed union: a new member that nobody handles fails to compile. */
export function unreachable(value: never): never {
  throw new Error(`Unreachable case: ${JSON.stringify(value)}`);
}
