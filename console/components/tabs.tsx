import { useEffect, useRef } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";

export function Tabs({ of: tabs, at }: { of: readonly (readonly [id: string, name: string])[]; at: string }) {
  const [path] = useLocation();
  const nav = useRef<HTMLElement>(null);
  // On a phone they go beyond the edge.
  useEffect(() => {
    const current = nav.current?.querySelector<HTMLElement>("[aria-current]");
    if (nav.current && current) nav.current.scrollLeft = current.offsetLeft - nav.current.offsetLeft;
  }, [at]);
  return (
    <nav class="tabs" aria-label="Parts" ref={nav}>
      {tabs.map(([id, name]) => (
        <Link key={id} href={`${path}?tab=${id}`} aria-current={id === at ? "page" : undefined}>
          {name}
        </Link>
      ))}
    </nav>
  );
}
