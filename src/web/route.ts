/** Which domain is open, kept in the address, so that a link shows the same and "back" closes the panel. */
import { selected } from "./live_state.ts";

export function openDomain(name: string | null): void {
  if (name === selected.value) return;
  history.pushState(null, "", name === null ? location.pathname : `?domain=${encodeURIComponent(name)}`);
  selected.value = name;
}

export function openFromAddress(): void {
  const read = (): void => {
    selected.value = new URLSearchParams(location.search).get("domain");
  };
  addEventListener("popstate", read);
  read();
}
