import type { Scene } from './scene.ts';
import { cards } from './scene-cards.ts';
import { conversations } from './scene-conversations.ts';
import { states } from './scene-states.ts';
import { tools } from './scene-tools.ts';

export const scenes: Readonly<Record<string, Scene>> = { ...conversations, ...tools, ...cards, ...states };
