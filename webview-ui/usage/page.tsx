import { useSignal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { JSX } from 'preact';
import type { PlanLimit, UsageLine, UsagePageMessage, UsageRange, UsageReport, UsageTotals } from '../../src/protocol/usage.ts';
import type { Measure } from './chart.tsx';
import { Chart, valueOf } from './chart.tsx';
import { costNote, dayWords, moment, money, short, tokens } from './words.ts';

const RANGES: readonly UsageRange[] = [7, 30, 90];
const TABLES = { day: 'Day', agent: 'Agent', connection: 'Connection', session: 'Session' } as const;
type Table = keyof typeof TABLES;

interface Choices<T extends string | number> {
  readonly legend: string;
  readonly of: readonly (readonly [T, string])[];
  readonly value: T;
  readonly onPick: (value: T) => void;
}

/** One of a few, as VS Code shows them: arrows go through them. */
function Choice<T extends string | number>({ legend, of, value, onPick }: Choices<T>): JSX.Element {
  return (
    <fieldset class="choice">
      <legend class="sr-only">{legend}</legend>
      {of.map(([id, label]) => (
        <label key={id} class={id === value ? 'on' : ''}>
          <input type="radio" name={legend} checked={id === value} onChange={() => onPick(id)} />
          {label}
        </label>
      ))}
    </fieldset>
  );
}

/** What was used: a chart by day, and a table that says all of it in words. */
export function UsagePage({ report, failure, range, post }: { readonly report: Signal<UsageReport | null>; readonly failure: Signal<string | null>; readonly range: Signal<UsageRange>; readonly post: (message: UsagePageMessage) => void }): JSX.Element {
  const measure = useSignal<Measure>('tokens');
  const table = useSignal<Table>('day');
  const shown = report.value;
  return (
    <main>
      <header>
        <h1>Usage</h1>
        <Choice legend="Range" of={RANGES.map((days) => [days, `${days} days`] as const)} value={range.value} onPick={(days) => {
          range.value = days;
          post({ type: 'range', range: days });
        }} />
        <Choice legend="Measure" of={[['tokens', 'Tokens'], ['cost', 'Cost']]} value={measure.value} onPick={(what) => (measure.value = what)} />
        <span class="space" />
        <button type="button" class="button" onClick={() => post({ type: 'export' })}>Export as CSV…</button>
      </header>
      {failure.value === null ? null : <p class="failure" role="alert">{failure.value}</p>}
      {shown === null ? null : (
        <>
          <Summary total={shown.total} range={shown.range} />
          {shown.limits.length === 0 ? null : <Limits limits={shown.limits} />}
          {shown.total.turns === 0 && shown.total.cost === null ? null : (
            <>
              {shown.days.some((day) => valueOf(day, measure.value) !== null) ? <Chart days={shown.days} measure={measure.value} /> : <p class="untold">None of these agents told {measure.value === 'cost' ? 'a cost' : 'tokens'}.</p>}
              <Choice legend="Table by" of={(Object.keys(TABLES) as Table[]).map((id) => [id, TABLES[id]] as const)} value={table.value} onPick={(what) => (table.value = what)} />
              <Figures report={shown} table={table.value} post={post} />
            </>
          )}
          <p class="about">Counted are turns of sessions that ran or were opened in this VS Code, as their agents tell it. What an agent does not tell is “—”: no price is reckoned here.</p>
        </>
      )}
    </main>
  );
}

function Summary({ total, range }: { readonly total: UsageTotals; readonly range: UsageRange }): JSX.Element {
  if (total.turns === 0 && total.cost === null) return <p class="summary" role="status">Nothing was told to be used in the last {range} days.</p>;
  const note = costNote(total);
  const parts: readonly (readonly [string, string, string])[] = [
    ['Turns', tokens(total.turns), ''], ['Input', short(total.input), total.cached === null ? 'tokens' : `tokens, ${short(total.cached)} from cache`], ['Output', short(total.output), 'tokens'], ['Cost', money(total.cost), note],
  ];
  return (
    <dl class="summary" aria-live="polite">
      {parts.map(([name, value, more]) => <div key={name}><dt>{name}</dt><dd>{value}{more === '' ? null : <small> {more}</small>}</dd></div>)}
    </dl>
  );
}

function Limits({ limits }: { readonly limits: readonly PlanLimit[] }): JSX.Element {
  const now = Date.now();
  return (
    <section class="limits" aria-label="Plan limits">
      <h2>Plan limits</h2>
      <ul>
        {limits.map(({ label, usedPercent, until }) => (
          <li key={label}>
            <span class="limit-name" dir="auto">{label}</span>
            {usedPercent === null ? null : <meter min={0} max={100} high={80} optimum={0} value={usedPercent} aria-label={`${label}: ${Math.round(usedPercent)} % used`} />}
            <span class="limit-words">{[usedPercent === null ? '' : `${Math.max(0, Math.round(100 - usedPercent))} % left`, until === null ? '' : `starts anew ${moment(until, now)}`].filter((word) => word !== '').join(' · ')}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Figures({ report, table, post }: { readonly report: UsageReport; readonly table: Table; readonly post: (message: UsagePageMessage) => void }): JSX.Element {
  const lines: readonly UsageLine[] = table === 'day'
    ? report.days.filter(({ turns, cost }) => turns > 0 || cost !== null).toReversed().map((day) => ({ ...day, key: day.day, label: dayWords(day.day), detail: '', opens: false }))
    : table === 'agent' ? report.agents : table === 'connection' ? report.connections : report.sessions;
  return (
    <div class="table" tabIndex={0} role="region" aria-label={`Usage by ${TABLES[table].toLowerCase()}`}>
      <table>
        <thead>
          <tr><th scope="col">{TABLES[table]}</th>{['Turns', 'Cost', 'Input', 'Output', 'Cache read', 'Cache write'].map((name) => <th key={name} scope="col" class="n">{name}</th>)}</tr>
        </thead>
        <tbody>{lines.map((line) => <Line key={line.key} line={line} post={post} />)}</tbody>
        <tfoot><Line line={{ ...report.total, key: '', label: 'All', detail: '', opens: false }} post={post} /></tfoot>
      </table>
    </div>
  );
}

function Line({ line, post }: { readonly line: UsageLine; readonly post: (message: UsagePageMessage) => void }): JSX.Element {
  const note = costNote(line);
  return (
    <tr>
      <th scope="row">
        {line.opens ? <button type="button" class="link" dir="auto" onClick={() => post({ type: 'open', session: line.key })}>{line.label}</button> : <span dir="auto">{line.label}</span>}
        {line.detail === '' ? null : <span class="detail" dir="auto">{line.detail}</span>}
      </th>
      <td class="n">{tokens(line.turns)}</td>
      <td class="n">{money(line.cost)}{note === '' ? null : <span class="detail">{note}</span>}</td>
      {[line.input, line.output, line.cached, line.written].map((value, index) => <td key={index} class="n">{tokens(value)}</td>)}
    </tr>
  );
}
