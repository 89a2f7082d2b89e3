/** A value as JSON: indented on a screen, for reading; on one line in a pipe, where it may be one of many. */
export function renderJson(value: unknown, { isScreen }: { readonly isScreen: boolean }): string {
  return JSON.stringify(value, null, isScreen ? 2 : undefined);
}
