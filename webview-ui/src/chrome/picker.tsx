import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Icon } from '../cards/parts.tsx';
import type { Choice } from '../types.ts';

interface PickerProps {
  /** Its fixed name: "Model". */
  readonly label: string;
  readonly icon: string;
  /** The icon stands there only where there is no room for words. */
  readonly iconWhenNarrow?: boolean;
  readonly choices: readonly Choice[];
  readonly value: string | null;
  /** What it reads while nothing is chosen. */
  readonly none: string;
  readonly disabled?: boolean;
  readonly onPick: (id: string) => void;
}

/** A choice of one: a combobox without typing, as the ARIA practices have it. Keys move in the list, Enter takes, Escape leaves it as it was. */
export function Picker({ label, icon, choices, value, none, iconWhenNarrow = false, disabled = false, onPick }: PickerProps): JSX.Element | null {
  const open = useSignal(false);
  const active = useSignal(0);
  const holder = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const typed = useRef({ text: '', at: 0 });
  const current = choices.findIndex((choice) => choice.id === value);
  useEffect(() => {
    if (!open.value) return undefined;
    const away = (event: Event): void => {
      if (event.target instanceof Node && holder.current?.contains(event.target) === false) open.value = false;
    };
    document.addEventListener('pointerdown', away);
    return () => document.removeEventListener('pointerdown', away);
  }, [open.value]);
  useEffect(() => {
    list.current?.children[active.value]?.scrollIntoView({ block: 'nearest' });
  }, [active.value, open.value]);
  if (choices.length === 0) return null;
  const show = (): void => {
    active.value = Math.max(0, current);
    open.value = true;
  };
  const pick = (place: number): void => {
    const choice = choices[place];
    open.value = false;
    if (choice !== undefined && choice.id !== value) onPick(choice.id);
  };
  const onKey = (event: KeyboardEvent): void => {
    const { key } = event;
    if (!open.value) {
      if (key === 'ArrowDown' || key === 'ArrowUp' || key === 'Enter' || key === ' ') {
        event.preventDefault();
        show();
      }
      return;
    }
    const moves: Readonly<Record<string, number>> = { ArrowDown: active.value + 1, ArrowUp: active.value - 1, Home: 0, End: choices.length - 1, PageDown: active.value + 8, PageUp: active.value - 8 };
    const move = moves[key];
    if (move !== undefined) active.value = Math.min(choices.length - 1, Math.max(0, move));
    else if (key === 'Enter' || key === ' ' || key === 'Tab') pick(active.value);
    else if (key === 'Escape') open.value = false;
    else if (key.length === 1 && !event.ctrlKey && !event.metaKey) {
      const now = Date.now();
      typed.current = { text: now - typed.current.at > 800 ? key : typed.current.text + key, at: now };
      const found = choices.findIndex((choice) => choice.label.toLowerCase().startsWith(typed.current.text.toLowerCase()));
      if (found >= 0) active.value = found;
    } else return;
    if (key !== 'Tab') event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="picker" ref={holder}>
      <button
        type="button" class="picker-button" role="combobox" aria-label={label} aria-haspopup="listbox" aria-expanded={open.value} aria-controls={`${id}-list`} disabled={disabled} title={label}
        aria-activedescendant={open.value ? `${id}-${active.value}` : undefined} onClick={() => (open.value ? (open.value = false) : show())} onKeyDown={onKey} onBlur={() => (open.value = false)}
      >
        <Icon name={icon} className={iconWhenNarrow ? 'when-narrow' : ''} /><span class="picker-value cut">{choices[current]?.label ?? value ?? none}</span>
      </button>
      {open.value ? (
        <div class="popup picker-list" role="listbox" id={`${id}-list`} aria-label={label} ref={list}>
          {choices.map((choice, place) => (
            <div key={choice.id} id={`${id}-${place}`} role="option" aria-selected={choice.id === value} class={`popup-item ${place === active.value ? 'active' : ''}`} onPointerDown={(event) => event.preventDefault()} onPointerMove={() => (active.value = place)} onClick={() => pick(place)}>
              <span class="popup-check">{choice.id === value ? <Icon name="check" /> : null}</span>
              <span class="popup-words"><span class="popup-label">{choice.label}</span>{choice.description === null || choice.description === '' ? null : <span class="popup-description">{choice.description}</span>}</span>
            </div>
          ))}
        </div>
      ) : null}
    </div>
  );
}
