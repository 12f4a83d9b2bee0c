import './style/main.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { createHost } from './vscode.ts';
import { ChatPage } from './page.ts';

const root = document.getElementById('root');
if (root !== null) render(<App page={new ChatPage(createHost())} />, root);
