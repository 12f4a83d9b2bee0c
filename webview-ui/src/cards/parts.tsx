import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { useClock } from '../clock.ts';
import { isHeldEnter } from '../model/keys.ts';
import { ago } from '../model/words.ts';

export function Icon({ name, className = '' }: { readonly name: string; readonly className?: string }): JSX.Element {
  return <span class={`codicon codicon-${name} ${className}`} aria-hidden="true" />;
}

/** A node made without Preact, within what Preact draws. Made anew when `version` changes. */
export function Made({ make, version, className = '' }: { readonly make: () => HTMLElement; readonly version: unknown; readonly className?: string }): JSX.Element {
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    holder.current?.replaceChildren(make());
  }, [version]);
  return <div ref={holder} class={className} />;
}

export function Ago({ at }: { readonly at: number }): JSX.Element {
  return <span>{ago(at, useClock(10_000, true))}</span>;
}

/** True for the Enter that ends a composition of an input method, which sends nothing. */
export function isComposing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229;
}

interface TextAreaProps {
  readonly label: string;
  readonly value: string;
  readonly placeholder: string;
  readonly disabled?: boolean;
  readonly focus?: boolean;
  readonly onInput: (value: string) => void;
  readonly onEnter: () => void;
  readonly onEscape?: () => void;
}

/** A small text box that grows; Enter is done, Shift+Enter a line. */
export function TextArea(props: TextAreaProps): JSX.Element {
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (props.focus === true) box.current?.focus();
  }, []);
  return (
    <textarea
      ref={box} class="text-area" rows={1} dir="auto" aria-label={props.label} placeholder={props.placeholder} value={props.value} disabled={props.disabled === true}
      onInput={(event) => props.onInput(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && !event.shiftKey && !isComposing(event)) {
          event.preventDefault();
          props.onEnter();
        } else if (event.key === 'Escape' && props.onEscape !== undefined) {
          event.preventDefault();
          event.stopPropagation();
          props.onEscape();
        }
      }}
    />
  );
}

interface ButtonProps {
  readonly label: string;
  readonly look: 'primary' | 'secondary' | 'text';
  readonly disabled?: boolean;
  readonly title?: string | undefined;
  readonly busy?: boolean;
  readonly children?: ComponentChildren;
  readonly className?: string;
  readonly onPress: () => void;
}

export function Button({ label, look, disabled = false, title, busy = false, children, className = '', onPress }: ButtonProps): JSX.Element {
  const button = useRef<HTMLButtonElement>(null);
  const pressed = useRef(false);
  // The browser takes the focus from what is disabled: who pressed the button has it again once that can be pressed again, unless they went elsewhere.
  useLayoutEffect(() => {
    if (disabled) pressed.current = document.activeElement === button.current;
    else if (pressed.current) {
      pressed.current = false;
      if (document.activeElement === null || document.activeElement === document.body) button.current?.focus({ preventScroll: true });
    }
  }, [disabled]);
  return (
    <button ref={button} type="button" class={`button ${look} ${className}`} aria-label={children === undefined ? undefined : label} title={title} disabled={disabled} aria-busy={busy ? 'true' : undefined} onClick={onPress} onKeyDown={(event) => isHeldEnter(event) && event.preventDefault()}>
      {busy ? <Icon name="loading" className="codicon-modifier-spin" /> : null}
      {children ?? label}
    </button>
  );
}
