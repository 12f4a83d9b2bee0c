import { codexCase } from './agents.ts';
import { describeAgent } from './flow.ts';

describeAgent(codexCase);
