/** How traffic is split when a revision takes a part of it. */

/**
 * The shares when `id` takes `percent`: the others keep what is left in their proportions, in whole percents that make
 * 100 together. The largest remainders are rounded up; one that comes to nothing is left out.
 */
export function giveShare(
  before: Readonly<Record<string, number>>,
  id: string,
  percent: number,
): Record<string, number> {
  const others = Object.entries(before).filter(([other, share]) => other !== id && share > 0);
  const total = others.reduce((sum, [, share]) => sum + share, 0);
  const left = total === 0 ? 0 : 100 - percent;
  const exact = others.map(([other, share]) => ({ other, share: (share * left) / total }));
  const whole = exact.map(({ other, share }) => ({ other, share: Math.floor(share), rest: share % 1 }));
  let missing = left - whole.reduce((sum, { share }) => sum + share, 0);
  for (const each of [...whole].sort((a, b) => b.rest - a.rest)) {
    if (missing <= 0) break;
    each.share += 1;
    missing -= 1;
  }
  const shares = [[id, 100 - left] as const, ...whole.map(({ other, share }) => [other, share] as const)];
  return Object.fromEntries(shares.filter(([, share]) => share > 0));
}
