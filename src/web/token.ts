/**
 * The token that the daemon wants over TCP. It comes with the address, behind the #, which no browser sends to a
 * server or writes into a referrer; or a person types it. It lives as long as the tab.
 */

const KEY = "vbal-token";

/** Takes the token out of the address, so that it is not seen over a shoulder or kept in a bookmark. */
export function takeTokenFromAddress(): void {
  const match = /(?:^#|&)token=([\w.~-]+)/.exec(location.hash);
  if (match === null) return;
  setToken(match[1]!);
  history.replaceState(null, "", location.pathname + location.search);
}

export function setToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

/** For the headers of a request; empty without a token. */
export function authorization(): Record<string, string> {
  const token = sessionStorage.getItem(KEY);
  return token === null ? {} : { authorization: `Bearer ${token}` };
}
