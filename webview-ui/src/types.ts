import type { ChatState, HostMessage, PageRequest } from '../../src/protocol/chat.ts';

export { findPattern } from '../../src/protocol/find.ts';
export { mentionOf } from '../../src/protocol/mention.ts';
export type { FindQuery, MatchPlace } from '../../src/protocol/find.ts';

export type { ChatConfig, ChatState, HostMessage, Mention, OutboxView, PageMessage, PageRequest, PatchOp, ReplyValue } from '../../src/protocol/chat.ts';

/** The shapes of the transcript as they cross the channel. */
export type Snapshot = Extract<HostMessage, { type: 'snapshot' }>;
export type Patch = Extract<HostMessage, { type: 'patch' }>;
export type Row = Snapshot['rows'][number];
export type Remedy = NonNullable<NonNullable<ChatState['problem']>['remedy']>;
export type RowOf<K extends Row['kind']> = Extract<Row, { kind: K }>;
export type ToolRow = RowOf<'tool'>;
export type PermissionRow = RowOf<'permission'>;
export type Question = PermissionRow['questions'][number];
export type FileDiff = ToolRow['diffs'][number];
export type Attachment = RowOf<'prompt'>['attachments'][number];
export type Json = ToolRow['input'];
export type Decision = Extract<PageRequest, { ask: 'answer' }>['decision'];
export type UsageFigures = NonNullable<Snapshot['state']['usage']>;
export type Choice = Snapshot['state']['controls']['models'][number];
export type SlashCommand = Snapshot['state']['controls']['commands'][number];
