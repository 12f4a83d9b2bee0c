import type { TreeNode } from './model.ts';

type Done = 'pinSession' | 'unpinSession' | 'archiveSession' | 'unarchiveSession';

/** What becomes of sessions that are dropped on a node, as commands one after the other, each of which passes by those it has nothing to do for: Pinned and Archived take them in, everything else takes them out of both. */
export function dropOf(target: TreeNode | null): readonly Done[] {
  switch (placeOf(target)) {
    case 'pinned': return ['unarchiveSession', 'pinSession'];
    case 'archived': return ['archiveSession'];
    case 'elsewhere': return ['unarchiveSession', 'unpinSession'];
    case 'nowhere': return [];
  }
}

function placeOf(target: TreeNode | null): 'pinned' | 'archived' | 'elsewhere' | 'nowhere' {
  switch (target?.kind) {
    case 'group': return target.group === 'pinned' || target.group === 'archived' ? target.group : 'elsewhere';
    case 'session': return target.session.archived ? 'archived' : target.session.pinned === true ? 'pinned' : 'elsewhere';
    case 'needs': case 'permission': case 'attention': case 'older': case 'more': case undefined: return 'nowhere';
  }
}
