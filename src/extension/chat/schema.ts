import { z } from 'zod';
import type { PageMessage, PageRequest } from '../../protocol/chat.ts';
import { FIND_MOST } from '../../protocol/find.ts';

const TEXT = 2_000_000;
const text = z.string().max(TEXT);
const id = z.string().min(1).max(1_000);
const index = z.number().int().min(0).max(10_000_000);
const line = z.number().int().min(1).max(10_000_000);
const step = z.union([z.literal(1), z.literal(-1)]);
const attachment = z.strictObject({
  name: z.string().min(1).max(500), mediaType: z.string().max(200), size: z.number().int().min(0).nullable(),
  data: z.string().max(15_000_000).nullable(), path: z.string().max(10_000).nullable(),
});
const decision = z.strictObject({
  outcome: z.enum(['allow', 'allow-session', 'allow-always', 'deny', 'answer']),
  optionId: id.optional(), reason: text.optional(), // Claude Code names a question by its text.
  answers: z.record(z.string().max(20_000), z.array(text).max(50)).optional(),
});

const request = z.discriminatedUnion('ask', [
  z.strictObject({ ask: z.literal('rows'), start: index, end: index }),
  z.strictObject({ ask: z.literal('send'), text, attachments: z.array(attachment).max(20), how: z.enum(['send', 'queue', 'steer']) }),
  z.strictObject({ ask: z.literal('outbox'), clientId: id, what: z.enum(['drop', 'retry', 'steer', 'up', 'down']) }),
  z.strictObject({ ask: z.literal('outbox-edit'), clientId: id, text }),
  z.strictObject({ ask: z.literal('interrupt') }),
  z.strictObject({ ask: z.literal('take-over') }),
  z.strictObject({ ask: z.literal('answer'), requestId: id, decision }),
  z.strictObject({ ask: z.literal('set'), what: z.enum(['model', 'mode', 'effort']), id }),
  z.strictObject({ ask: z.literal('run'), command: z.enum(['rename', 'stop', 'resume', 'fork', 'export', 'openFolder', 'manageTrust', 'signIn']) }),
  z.strictObject({ ask: z.literal('open-diff'), row: id, index }),
  z.strictObject({ ask: z.literal('open-output'), row: id, line: line.nullable() }),
  z.strictObject({ ask: z.literal('fetch-output'), row: id }),
  z.strictObject({ ask: z.literal('open-attachment'), row: id, index }),
  z.strictObject({ ask: z.literal('open-file'), path: z.string().min(1).max(10_000), line: line.nullable() }),
  z.strictObject({ ask: z.literal('open-link'), href: z.string().min(1).max(8_000) }),
  z.strictObject({ ask: z.literal('insert-code'), text }),
  z.strictObject({ ask: z.literal('copy'), text }),
  z.strictObject({ ask: z.literal('find'), id: index, query: z.strictObject({ text: z.string().max(FIND_MOST), matchCase: z.boolean(), wholeWord: z.boolean() }), from: index }),
  z.strictObject({ ask: z.literal('find-step'), id: index, step }),
  z.strictObject({ ask: z.literal('find-end') }),
  z.strictObject({ ask: z.literal('prompt'), from: index, step }),
  z.strictObject({ ask: z.literal('place'), row: id }),
  z.strictObject({ ask: z.literal('request-place'), requestId: id }),
  z.strictObject({ ask: z.literal('prompts'), before: id.nullable() }),
  z.strictObject({ ask: z.literal('run-row'), command: z.enum(['copyRow', 'copyTurn', 'forkFromHere', 'sendAgain']), row: id, rows: z.array(id).min(1).max(500).optional() }),
  z.strictObject({ ask: z.literal('mentions'), query: z.string().max(1_000) }),
]);

const message = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready') }),
  z.strictObject({ type: z.literal('reopen') }),
  z.strictObject({ type: z.literal('resync'), generation: index, reason: z.string().max(1_000) }),
  z.strictObject({ type: z.literal('draft'), session: z.union([id, z.literal('')]), text, files: z.array(attachment).max(20).optional() }),
  z.strictObject({ type: z.literal('request'), session: id, request: index, body: request }),
]);

const attachments = z.array(attachment).max(20);

/** Attachments as JSON, none where it is anything else. */
export function readAttachments(json: string): z.infer<typeof attachments> {
  try {
    return attachments.safeParse(JSON.parse(json)).data ?? [];
  } catch {
    return [];
  }
}

/** A message of the page if it is one, else null. Never throws: what a page sends is not trusted. */
export function readPageMessage(value: unknown): PageMessage | null {
  const parsed = message.safeParse(value);
  return parsed.success ? withoutUndefined(parsed.data) : null;
}

const numbered = z.object({ type: z.literal('request'), request: index });

/** The number of a request whose contents were refused, so that the page is told instead of waiting; null for anything else. */
export function refusedRequest(value: unknown): number | null {
  const parsed = numbered.safeParse(value);
  return parsed.success ? parsed.data.request : null;
}

// zod types optional keys as `T | undefined`; the protocol leaves absent keys out.
function withoutUndefined(parsed: z.infer<typeof message>): PageMessage {
  if (parsed.type !== 'request' || parsed.body.ask !== 'answer') return parsed as PageMessage;
  const { outcome, optionId, reason, answers } = parsed.body.decision;
  const body: PageRequest = {
    ask: 'answer',
    requestId: parsed.body.requestId,
    decision: {
      outcome,
      ...(optionId === undefined ? {} : { optionId }),
      ...(reason === undefined ? {} : { reason }),
      ...(answers === undefined ? {} : { answers }),
    },
  };
  return { type: 'request', session: parsed.session, request: parsed.request, body };
}
