import './usage.css';
import { signal } from '@preact/signals';
import { render } from 'preact';
import type { UsageHostMessage, UsagePageMessage, UsageRange, UsageReport } from '../../src/protocol/usage.ts';
import { UsagePage } from './page.tsx';

interface VsCodeApi {
  postMessage(message: UsagePageMessage): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

const api = acquireVsCodeApi();
const kept = api.getState();
const range = signal<UsageRange>(kept === 7 || kept === 90 ? kept : 30);
const report = signal<UsageReport | null>(null);
const failure = signal<string | null>(null);

function post(message: UsagePageMessage): void {
  if (message.type === 'range') api.setState(message.range);
  api.postMessage(message);
}

window.addEventListener('message', ({ data }: MessageEvent<UsageHostMessage>) => {
  if (data.type === 'usage') {
    report.value = data.report;
    failure.value = null;
  } else if (data.type === 'failed') failure.value = data.message;
});

const root = document.getElementById('root');
if (root !== null) render(<UsagePage report={report} failure={failure} range={range} post={post} />, root);
post({ type: 'ready' });
post({ type: 'range', range: range.value });
