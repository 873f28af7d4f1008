import { Link, useLocation } from "wouter-preact";

export function Tabs({ of: tabs, at }: { of: readonly (readonly [id: string, name: string])[]; at: string }) {
  const [path] = useLocation();
  return (
    <nav class="tabs" aria-label="Parts">
      {tabs.map(([id, name]) => (
        <Link key={id} href={`${path}?tab=${id}`} aria-current={id === at ? "page" : undefined}>
          {name}
        </Link>
      ))}
    </nav>
  );
}
