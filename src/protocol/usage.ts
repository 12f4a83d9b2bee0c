/** The messages between the extension and the page of Show Usage. */
import type { UsageRange, UsageReport } from '../core/model/usage.ts';

export type { PlanLimit, UsageDay, UsageLine, UsageRange, UsageReport, UsageTotals } from '../core/model/usage.ts';

export type UsageHostMessage =
  | { readonly type: 'usage'; readonly report: UsageReport }
  /** It could not be read: why, in one line. */
  | { readonly type: 'failed'; readonly message: string };

export type UsagePageMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'range'; readonly range: UsageRange }
  | { readonly type: 'open'; readonly session: string }
  | { readonly type: 'export' };
