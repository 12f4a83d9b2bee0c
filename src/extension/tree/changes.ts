import { canonicalJson } from '../../core/model/json.ts';
import type { TreeModel, TreeNode } from './model.ts';

/**
 * Which nodes look otherwise in the tree that comes after another, of those that VS Code has: the ids of those to be asked for again, each with all below it; null where the roots are others.
 * `fetched`: groups whose children VS Code has.
 */
export function changesBetween(before: TreeModel, after: TreeModel, fetched: ReadonlySet<string>): readonly string[] | null {
  if (!sameIds(before.roots, after.roots)) return null;
  const changed: string[] = [];
  const compare = (nodes: readonly TreeNode[]): void => {
    for (const node of nodes) {
      const was = before.node(node.id);
      if (was === null || !alike(was, node)) changed.push(node.id);
      else if (node.kind === 'group' || node.kind === 'needs') {
        if (!fetched.has(node.id)) continue;
        const children = after.children(node.id);
        if (sameIds(before.children(node.id), children)) compare(children);
        else changed.push(node.id);
      }
    }
  };
  compare(after.roots);
  return changed;
}

function sameIds(a: readonly TreeNode[], b: readonly TreeNode[]): boolean {
  return a.length === b.length && a.every((node, index) => node.id === b[index]?.id);
}

function alike(a: TreeNode, b: TreeNode): boolean {
  if (a === b) return true;
  if (a.kind === 'session' && b.kind === 'session') return a.session === b.session && a.place === b.place;
  if (a.kind === 'permission' && b.kind === 'permission') return a.permission === b.permission && a.session.title === b.session.title;
  // Which groups are open at first is of no account once they are there.
  const look = (node: TreeNode): string => canonicalJson(node.kind === 'group' ? { ...node, open: true } : node);
  return a.kind === b.kind && look(a) === look(b);
}
