import type { Scene } from './scene.ts';
import { cards } from './scene-cards.ts';
import { conversations } from './scene-conversations.ts';
import { find } from './scene-find.ts';
import { hard } from './scene-hard.ts';
import { opened } from './scene-opened.ts';
import { states } from './scene-states.ts';
import { tools } from './scene-tools.ts';
import { verbs } from './scene-verbs.ts';

export const scenes: Readonly<Record<string, Scene>> = { ...conversations, ...tools, ...verbs, ...cards, ...opened, ...hard, ...find, ...states };
