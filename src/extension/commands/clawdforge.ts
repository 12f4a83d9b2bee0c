import { runPrompt } from '../clawdforge/runPrompt.ts';
import { manageTokens } from '../clawdforge/tokens.ts';
import { uploadFile } from '../clawdforge/upload.ts';
import type { CommandName } from '../contributions.ts';
import type { Handler } from './handler.ts';

export const forgeCommands = { runPromptOnClawdforge: runPrompt, uploadFileToClawdforge: uploadFile, manageClawdforgeTokens: manageTokens } as const satisfies Partial<Record<CommandName, Handler>>;
