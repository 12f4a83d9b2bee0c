import type { JsonValue } from '../../../../src/core/model/json.ts';
import type { Capability, Job } from '../../../../src/core/systems/hebing/index.ts';

export function capability(capabilityKey: string, name: string, inputSchema: JsonValue = null): Capability {
  return { capabilityKey, name, description: null, inputSchema };
}

export function job(id: string, status: string, more: Partial<Job> = {}): Job {
  return { id, capabilityKey: 'media.echo.v1', status, inputPayload: { text: 'A harbour at dawn' }, output: null, error: null, artifacts: [], createdAt: '2026-01-01T00:00:00Z', updatedAt: '2026-01-01T00:00:10Z', ...more };
}
