import { claudeCase } from './agents.ts';
import { describeAgent } from './flow.ts';

describeAgent(claudeCase);
