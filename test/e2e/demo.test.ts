import { demoCase } from './agents.ts';
import { describeAgent } from './flow.ts';

describeAgent(demoCase);
