/** Where an OpenID provider is asked: what it answers says who may come in, so nobody on the way may change it. */

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** https, or http to this very machine; without credentials. */
export function isTrustworthyUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url?.username !== "" || url.password !== "") return false;
  return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
}
