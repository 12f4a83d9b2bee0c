import './webview.css';
import '../src/style/main.css';
import './themes/dark.css';
import './themes/light.css';
import './themes/hc-dark.css';
import './themes/hc-light.css';
import './fonts.css';
import { render } from 'preact';
import { App } from '../src/app.tsx';
import { ChatPage } from '../src/page.ts';
import { FakeHost } from './fake.ts';
import { hostileRows, slotFolds, slotRows } from './hostile.ts';
import { longSession, measureOpen, StreamRun } from './measure.ts';
import { scenes } from './scenes.ts';

/** Development only: every kind of row and every state, in VS Code's themes (`?theme=dark&scene=turn`), and measurements of what takes time. */
const query = new URLSearchParams(location.search);

const BODIES: Readonly<Record<string, string>> = { 'dark': 'vscode-dark', 'light': 'vscode-light', 'hc-dark': 'vscode-high-contrast', 'hc-light': 'vscode-high-contrast vscode-high-contrast-light' };

/** As VS Code does it when the person chooses another theme. */
function setTheme(theme: string): void {
  document.documentElement.dataset['theme'] = theme;
  document.body.className = BODIES[theme] ?? '';
}
setTheme(query.get('theme') ?? 'dark');

const name = query.get('scene') ?? 'turn';
const scene = name === 'long-session' ? () => longSession(Number(query.get('rows') ?? 100_000)) : scenes[name];
if (scene === undefined) throw new Error(`no scene ${name}`);
const session = scene();
const host = new FakeHost(session);
const root = document.getElementById('root');
const show = (): void => {
  if (root !== null) render(<App page={new ChatPage(host)} />, root);
};

/** Shows the scene once its letters are there, so that nothing is laid out twice. */
async function start(): Promise<void> {
  await Promise.all(Array.from(document.fonts, (font) => font.load()));
  if (query.get('wait') !== null) return;
  show();
  await session.after?.(host);
}

Object.assign(window, { gallery: { host, scenes: Object.keys(scenes), StreamRun, measureOpen, hostileRows, slotFolds, slotRows, show, setTheme, ready: start() } });
