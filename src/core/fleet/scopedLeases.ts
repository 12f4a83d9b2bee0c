import type { Leases } from '../model/context.ts';

/** The store's leases with every name prefixed by its connection, so that two connections never share one. */
export function scopedLeases(leases: Leases, scope: string): Leases {
  const name = (own: string): string => `${scope}/${own}`;
  return {
    acquire: (own) => leases.acquire(name(own)),
    release: (own) => leases.release(name(own)),
    holder: (own) => leases.holder(name(own)),
  };
}
