import * as vscode from 'vscode';
import type { Places } from '../../core/model/backend.ts';
import type { Machine } from '../../core/model/session.ts';
import { shortFolder } from '../tree/model.ts';
import { failureText, pickText } from '../tree/text.ts';
import { Dismissed } from './dismissed.ts';
import { childOf, parentOf, typedPath } from './remotePlaces.ts';
import type { Step } from './steps.ts';
import { BACK, dress } from './steps.ts';

const LIST_MS = 60_000;

type Item = vscode.QuickPickItem & { readonly does: { readonly use: string } | { readonly go: string | null } | null };

/** A folder of another machine: one that its sessions used, one that is walked to, or one that is typed. Throws Dismissed when the box is closed. */
export function pickRemoteFolder(places: Places, machine: Machine, recent: readonly string[], step: Step): Promise<string | typeof BACK> {
  return new Promise((resolve, reject) => {
    new FolderWalk(places, machine, recent, step, resolve, reject).start();
  });
}

class FolderWalk {
  private readonly places: Places;
  private readonly machine: Machine;
  private readonly recent: readonly string[];
  private readonly step: Step;
  private readonly done: (folder: string | typeof BACK) => void;
  private readonly pick = vscode.window.createQuickPick<Item>();
  private readonly homes: readonly string[];
  /** Of the place that is shown, or comes. */
  private listed: readonly Item[] = [];
  /** Of the path that is typed. */
  private typed: readonly Item[] = [];
  private listing: AbortController | null = null;
  private settled = false;

  constructor(places: Places, machine: Machine, recent: readonly string[], step: Step, resolve: (folder: string | typeof BACK) => void, reject: (error: Error) => void) {
    this.places = places;
    this.machine = machine;
    this.recent = recent;
    this.step = step;
    this.homes = machine.home === null ? [] : [machine.home];
    this.done = (folder) => {
      this.settled = true;
      resolve(folder);
      this.pick.hide();
    };
    dress(this.pick, step);
    this.pick.onDidTriggerButton(() => this.done(BACK));
    this.pick.onDidHide(() => {
      this.listing?.abort();
      this.pick.dispose();
      if (!this.settled) reject(new Dismissed());
    });
    this.pick.onDidChangeValue(() => this.show());
    this.pick.onDidAccept(() => {
      const [selected] = this.pick.selectedItems;
      // Enter may come before the lines of what was typed are shown.
      const typed = typedPath(this.pick.value, this.machine.home);
      const does = typed !== null && (selected === undefined || !this.typed.includes(selected)) ? { use: typed } : (selected?.does ?? null);
      if (does === null) return;
      if ('use' in does) this.done(does.use);
      else this.go(does.go);
    });
  }

  start(): void {
    this.entitle('folder');
    this.pick.show();
    if (this.recent.length === 0) {
      this.go(null);
      return;
    }
    this.pick.placeholder = 'A recent folder, or type a path';
    this.listed = [
      { label: 'Recent', kind: vscode.QuickPickItemKind.Separator, does: null },
      ...this.recent.map((folder) => this.item(this.short(folder), 'folder', { use: folder })),
      { label: '', kind: vscode.QuickPickItemKind.Separator, does: null },
      this.item('Browse the home folder…', 'folder-opened', { go: null }),
    ];
    this.show();
  }

  /** Lists a folder of the machine; null: its home. */
  private go(path: string | null): void {
    this.listing?.abort();
    const listing = new AbortController();
    this.listing = listing;
    this.pick.busy = true;
    this.pick.value = '';
    this.entitle(path === null ? 'home folder' : this.short(path));
    this.pick.placeholder = 'Choose a folder, or type a path';
    this.listed = path === null ? [] : this.around(path, []);
    this.show();
    void this.list(path, listing.signal);
  }

  /** Never rejects: why a folder can't be listed is a line of the list. */
  private async list(path: string | null, signal: AbortSignal): Promise<void> {
    let listed: readonly Item[];
    let title = this.pick.title;
    try {
      const found = await this.places.folders(this.machine.id, path, { signal: AbortSignal.any([signal, AbortSignal.timeout(LIST_MS)]) });
      title = this.titleOf(this.short(found.path));
      listed = this.around(found.path, found.folders);
    } catch (error) {
      listed = [{ ...this.item(failureText(error, 200), 'warning', { go: path }), detail: 'Choose this line to try again, or type a path.' }, ...(path === null ? [] : this.around(path, []))];
    }
    if (signal.aborted) return;
    this.pick.busy = false;
    this.pick.title = title;
    this.listed = listed;
    this.show();
  }

  private around(path: string, folders: readonly string[]): readonly Item[] {
    const above = parentOf(path);
    return [
      this.item('Use this folder', 'check', { use: path }, this.short(path)),
      ...(above === null ? [] : [this.item('..', 'arrow-up', { go: above })]),
      ...folders.map((name) => this.item(name, 'folder', { go: childOf(path, name) })),
    ];
  }

  /** What is listed, and what is typed, where that is a path. */
  private show(): void {
    const typed = typedPath(this.pick.value, this.machine.home);
    this.typed = typed === null ? [] : [
      { ...this.item('Use', 'check', { use: typed }, pickText(typed, 300)), alwaysShow: true }, { ...this.item('Browse', 'folder-opened', { go: typed }, pickText(typed, 300)), alwaysShow: true },
    ];
    this.pick.items = typed === null ? this.listed : this.typed;
  }

  private titleOf(place: string): string {
    return `${this.step.title}: ${place} on ${pickText(this.machine.name, 60)}`;
  }

  private entitle(place: string): void {
    this.pick.title = this.titleOf(place);
  }

  private item(label: string, icon: string, does: Item['does'], description?: string): Item {
    return { label: pickText(label, 300), iconPath: new vscode.ThemeIcon(icon), does, ...(description === undefined ? {} : { description }) };
  }

  private short(folder: string): string {
    return pickText(shortFolder(folder, this.homes), 300);
  }
}
