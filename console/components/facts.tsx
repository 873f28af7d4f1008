import type { ComponentChildren } from "preact";

export type Fact = readonly [name: string, value: ComponentChildren] | false | null | undefined;

export function Facts({ of: facts }: { of: readonly Fact[] }) {
  return (
    <dl class="facts">
      {facts.map(
        (fact) =>
          fact && (
            <div key={fact[0]} style={{ display: "contents" }}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
