import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";

interface Look {
  kind?: "primary" | "danger" | "plain";
  children: ComponentChildren;
}

interface ButtonProps extends Look {
  onClick?: () => void;
  disabled?: boolean;
  type?: "button" | "submit";
  label?: string;
}

export function Button({ kind, type = "button", label, children, onClick, disabled = false }: ButtonProps) {
  return (
    <button
      class="button"
      type={type}
      data-kind={kind}
      aria-label={label}
      disabled={disabled}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

export function LinkButton({ kind, to, children }: Look & { to: string }) {
  return (
    <Link href={to} class="button" data-kind={kind}>
      {children}
    </Link>
  );
}
