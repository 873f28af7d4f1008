/** A labelled field of a form, with what is wrong with it. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { Fault } from "../data/problem.ts";

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  fault?: string | undefined;
}

interface TextProps extends FieldProps {
  value: string;
  onInput: (value: string) => void;
  type?: "text" | "search" | "password" | "number" | "datetime-local";
  placeholder?: string;
  required?: boolean;
  isCode?: boolean;
  autoFocus?: boolean;
  list?: readonly string[];
}

export function TextField({ label, hint, fault, value, onInput, isCode, list, ...rest }: TextProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...{ id, value, ...rest, autocomplete: "off", spellcheck: false }}
        class={isCode ? "code-input" : undefined}
        list={list && `${id}-list`}
        aria-invalid={fault !== undefined}
        aria-describedby={`${id}-hint`}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {list && (
        <datalist id={`${id}-list`}>
          {list.map((item) => (
            <option key={item} value={item} />
          ))}
        </datalist>
      )}
      <Below {...{ id, hint, fault }} />
    </div>
  );
}

interface AreaProps extends FieldProps {
  value: string;
  onInput: (value: string) => void;
  rows?: number;
}

export function AreaField({ label, hint, fault, value, onInput, rows = 6 }: AreaProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        {...{ id, rows, value, spellcheck: false }}
        aria-invalid={fault !== undefined}
        aria-describedby={`${id}-hint`}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <Below {...{ id, hint, fault }} />
    </div>
  );
}

interface ChoiceProps<Value extends string> extends FieldProps {
  value: Value;
  options: readonly (readonly [value: Value, text: string])[];
  onChange: (value: Value) => void;
}

export function ChoiceField<Value extends string>(props: ChoiceProps<Value>) {
  const { label, hint, fault, value, options, onChange } = props;
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        aria-describedby={`${id}-hint`}
        onChange={(event) => onChange(event.currentTarget.value as Value)}
      >
        {options.map(([each, text]) => (
          <option key={each} value={each}>
            {text}
          </option>
        ))}
      </select>
      <Below {...{ id, hint, fault }} />
    </div>
  );
}

/** A few ways beside each other, of which one is taken. */
export function Segments<Value extends string>({ label, value, options, onChange }: ChoiceProps<Value>) {
  const name = useId();
  return (
    <fieldset class="segments" aria-label={label}>
      {options.map(([each, text]) => (
        <label key={each}>
          <input type="radio" name={name} checked={value === each} onChange={() => onChange(each)} />
          {text}
        </label>
      ))}
    </fieldset>
  );
}

function Below({ id, hint, fault }: { id: string; hint?: ComponentChildren; fault?: string | undefined }) {
  if (fault === undefined && hint === undefined) return null;
  return (
    <div id={`${id}-hint`} class={fault === undefined ? "hint" : "fault"}>
      {fault ?? hint}
    </div>
  );
}

/** What the API said of a field, or of a part of it. */
export function faultOf(fault: Fault | undefined, ...names: string[]): string | undefined {
  const found = fault?.fields.find(({ field }) =>
    names.some((name) => field === name || field.startsWith(`${name}.`)),
  );
  return found && (names.includes(found.field) ? found.message : `${found.field}: ${found.message}`);
}
