import type { CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import type { JsonObject, JsonValue } from '../../core/model/json.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import { HebingAPIError } from '../../core/systems/hebing/errors.ts';
import { BidRejected, WorkerError } from '../../core/systems/hebing/workerErrors.ts';

/** What a call of a tool may use besides its arguments. */
export interface ToolCall {
  /** Fires when the client gives the call up, and when the server ends. */
  readonly signal: AbortSignal;
  /** Tells the client how far it is, where it wants to know. */
  readonly progress: (message: string) => void;
}
export interface KernelTool {
  readonly listed: Tool;
  /** Never rejects: what fails is a result that says so, with a stable `code`. */
  readonly call: (given: unknown, call: ToolCall) => Promise<CallToolResult>;
}

/** A tool whose arguments are held against their schema before it runs. */
export function kernelTool<S extends z.ZodObject>(
  about: { readonly name: string; readonly title: string; readonly description: string; readonly annotations: NonNullable<Tool['annotations']>; readonly input: S },
  run: (args: z.output<S>, call: ToolCall) => Promise<JsonObject>,
): KernelTool {
  const { name, title, description, annotations, input } = about;
  const { $schema: _, ...inputSchema } = z.toJSONSchema(input, { io: 'input' });
  return {
    listed: { name, title, description, annotations: { title, openWorldHint: true, ...annotations }, inputSchema: { ...inputSchema, type: 'object' } as Tool['inputSchema'] },
    async call(given, call) {
      const args = input.safeParse(given ?? {});
      if (!args.success) return failed({ code: 'bad_arguments', message: `The arguments of ${name} are wrong: ${args.error.issues.map(complaint).join('; ')}.` });
      try {
        return answered(await run(args.data, call));
      } catch (error) {
        return failed(failureOf(error));
      }
    },
  };
}

function complaint({ path, message }: z.core.$ZodIssue): string {
  return path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`;
}

function answered(value: JsonObject): CallToolResult {
  return { content: [{ type: 'text', text: JSON.stringify(value, null, 2) }], structuredContent: { ...value } };
}

function failed(value: JsonObject): CallToolResult {
  return { ...answered(value), isError: true };
}

/** An error that tells what more is known of it, such as the key under which a call may be repeated. */
export class ToolFailure extends Error {
  readonly more: JsonObject;
  constructor(cause: unknown, more: JsonObject) {
    super('a call failed', { cause });
    this.more = more;
  }
}

/** `{code, message}` and, of an answer of hebing, its `status` and `detail`; of a bid, the `reason`. */
function failureOf(error: unknown): JsonObject {
  if (error instanceof ToolFailure) return { ...failureOf(error.cause), ...error.more };
  if (!(error instanceof PilothouseError)) return { code: 'internal_error', message: error instanceof Error && error.name === 'AbortError' ? 'The call was given up.' : 'This should not have happened.' };
  const answer = error instanceof HebingAPIError || error instanceof WorkerError ? { ...(error.status === null ? {} : { status: error.status }), ...(error.detail === '' ? {} : { detail: error.detail }) } : {};
  return { code: error.code, message: error.message, ...answer, ...(error instanceof BidRejected && error.reason !== null ? { reason: error.reason } : {}) };
}

/** camelCase → snake_case for the names of one object: as the wire has them. What is in it stays as it is. */
export function snakeCase(value: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  const named = Object.entries(value).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined);
  return Object.fromEntries(named.map(([name, inner]) => [name.replaceAll(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), inner]));
}
