import * as vscode from 'vscode';
import { describeError, isAbort, PilothouseError } from '../../core/model/errors.ts';
import type { SessionKey } from '../../core/model/session.ts';
import { sessionKey } from '../../core/model/session.ts';
import type { SearchHit, SearchUpdate } from '../../core/session/search/wire.ts';
import { titleOf } from '../tree/line.ts';
import { age, failureText, pickText } from '../tree/text.ts';
import type { Services } from '../services.ts';
import type { Group } from './groups.ts';
import { Groups } from './groups.ts';
import { copyLink } from './links.ts';
import { openRow } from './openRow.ts';
import { requestOf, wordOf } from './request.ts';

/** Rows that are listed of one session, and of all: the document has the rest. */
const MOST_OF_SESSION = 5;
const MOST = 200;
/** How soon is searched after a key, and how often the list changes; in milliseconds. */
const TYPING_MS = 80;
const LIST_MS = 150;

interface Item extends vscode.QuickPickItem {
  readonly session?: SessionKey;
  readonly row?: string | null;
  readonly showsAll?: true;
}

/** What the person wants: to open a place, or to see everything. Null: neither. */
type Chosen = { readonly open: SessionKey; readonly row: string | null } | { readonly all: string; readonly archived: boolean } | null;

/** A quick pick that searches all sessions while one types. It holds what it shows and nothing else. */
export class SearchPicker implements vscode.Disposable {
  private readonly services: Services;
  private readonly picker = vscode.window.createQuickPick<Item>();
  private readonly listening: vscode.Disposable;
  private readonly chosen = Promise.withResolvers<Chosen>();
  private readonly besides: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('split-horizontal'), tooltip: 'Open to the Side' };
  private readonly links: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('link'), tooltip: 'Copy Link' };
  private readonly all: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('go-to-file'), tooltip: 'Show All Results' };
  private archived: boolean;
  private abort = new AbortController();
  private typing: NodeJS.Timeout | null = null;
  private listed = 0;

  constructor(services: Services, text: string) {
    this.services = services;
    this.archived = services.settings.get('sessions.showArchived');
    const { picker } = this;
    // Without it VS Code sorts by where the label has what was typed, across sessions.
    Object.assign(picker, { title: 'Search Sessions', placeholder: 'Words that were said in the sessions opened here; a phrase in double quotes', value: text, keepScrollPosition: true, sortByLabel: false });
    this.listening = vscode.Disposable.from(
      picker,
      picker.onDidHide(() => this.chosen.resolve(null)),
      picker.onDidChangeValue(() => this.typed()),
      picker.onDidTriggerButton((button) => this.pressed(button)),
      picker.onDidTriggerItemButton(({ item, button }) => void this.act(item, button)),
      picker.onDidAccept(() => this.accept()),
    );
    this.buttons();
  }

  /** Resolves with what is chosen. */
  async choose(): Promise<Chosen> {
    this.picker.show();
    void this.search();
    return this.chosen.promise;
  }

  dispose(): void {
    this.abort.abort();
    if (this.typing !== null) clearTimeout(this.typing);
    this.listening.dispose();
  }

  private typed(): void {
    this.abort.abort();
    if (this.typing !== null) clearTimeout(this.typing);
    this.typing = setTimeout(() => void this.search(), TYPING_MS);
  }

  private async search(): Promise<void> {
    this.abort.abort();
    const abort = new AbortController();
    this.abort = abort;
    const { picker, services } = this;
    const groups = new Groups(services.fleet, MOST_OF_SESSION);
    const nothing = wordOf(picker.value) === '';
    this.listed = 0;
    if (nothing) this.list([], null);
    picker.busy = !nothing;
    try {
      // Nothing typed yet: what a search needs is made ready meanwhile.
      for await (const update of services.search.search(requestOf(services, picker.value, { archived: this.archived, mostOfSession: MOST_OF_SESSION, most: MOST }), abort.signal)) {
        if (abort.signal.aborted) return;
        const news = groups.take(update);
        if (nothing) continue;
        picker.title = update.ended === null && update.done > 0 ? `Search Sessions (${update.done.toLocaleString()} of ${update.all.toLocaleString()} searched)` : 'Search Sessions';
        if (update.ended !== null || (news && performance.now() - this.listed >= LIST_MS)) this.list(itemsOf([...groups.groups.values()], (session) => [this.besides, this.links].slice(session === null ? 1 : 0)), update);
      }
    } catch (error) {
      if (abort.signal.aborted || isAbort(error) || (error instanceof PilothouseError && error.code === 'search_replaced')) return;
      services.log.warn('a search failed', { error: describeError(error) });
      this.list([{ label: `$(warning) ${pickText(failureText(error), 300)}`, alwaysShow: true }], null);
    }
    if (this.abort === abort) picker.busy = false;
  }

  private list(found: readonly Item[], update: SearchUpdate | null): void {
    const { picker } = this;
    const items = [...found];
    if (update?.ended != null && items.length === 0) items.push({ label: 'Nothing found in the sessions opened here so far', alwaysShow: true });
    else if (update?.ended != null) items.push({ label: '', kind: vscode.QuickPickItemKind.Separator }, { label: '$(go-to-file) Show All Results', description: update.ended === 'full' ? 'there are more' : '', alwaysShow: true, showsAll: true });
    const [active] = picker.activeItems;
    const before = active === undefined || active === picker.items.find(isChoice) ? undefined : items.find((item) => item.session !== undefined && item.session === active.session && item.row === active.row);
    picker.items = items;
    // Somebody who is on the way down the list stays there.
    if (before !== undefined) picker.activeItems = [before];
    this.listed = performance.now();
  }

  private buttons(): void {
    const archived: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon(this.archived ? 'inbox' : 'archive'), tooltip: this.archived ? 'Leave Out Archived Sessions' : 'Include Archived Sessions' };
    this.picker.buttons = [archived, this.all];
  }

  private pressed(button: vscode.QuickInputButton): void {
    if (button === this.all) {
      this.showAll();
      return;
    }
    this.archived = !this.archived;
    this.buttons();
    void this.search();
  }

  private accept(): void {
    const [item] = this.picker.activeItems;
    if (item?.showsAll === true) this.showAll();
    else if (item?.session !== undefined) this.chosen.resolve({ open: item.session, row: item.row ?? null });
  }

  private showAll(): void {
    if (wordOf(this.picker.value) !== '') this.chosen.resolve({ all: this.picker.value, archived: this.archived });
  }

  private async act(item: Item, button: vscode.QuickInputButton): Promise<void> {
    if (item.session === undefined) return;
    const row = item.row ?? null;
    try {
      await (button === this.links ? copyLink(this.services, item.session, row) : openRow(this.services, item.session, row, { beside: true }));
    } catch (error) {
      this.services.log.warn('a place could not be opened', { error: describeError(error) });
      void vscode.window.showErrorMessage(failureText(error));
    }
  }
}

const ICONS: ReadonlyMap<string, string> = new Map([['prompt', 'account'], ['text', 'comment'], ['thinking', 'lightbulb'], ['tool', 'tools'], ['permission', 'question'], ['todo', 'checklist'], ['file', 'file'], ['notice', 'info'], ['turn', 'milestone']]);

function itemsOf(groups: readonly Group[], buttons: (session: SessionKey) => readonly vscode.QuickInputButton[]): Item[] {
  const now = Date.now();
  return groups.flatMap((group) => {
    const { session } = group;
    const key = sessionKey(session);
    const place = [group.agent, group.machine].map((word) => pickText(word, 30)).filter((word) => word !== '').join(' · ');
    const item = (hit: SearchHit, label: string, description: string): Item => ({ label, description, alwaysShow: true, buttons: buttons(key), session: key, row: hit.row });
    return [
      { label: `${pickText(titleOf(session), 60)} · ${place} · ${age(session.updatedAt, now)}${session.archived ? ' · archived' : ''}`, kind: vscode.QuickPickItemKind.Separator },
      ...(group.title === null ? [] : [item(group.title, `$(comment-discussion) ${pickText(titleOf(session), 120)}`, pickText(session.folder, 120))]),
      ...group.rows.map((hit) => item(hit, `$(${ICONS.get(hit.kind ?? '') ?? 'circle-small'}) ${pickText(hit.snippet.text, 200)}`, hit.at === null ? '' : age(hit.at, now))),
      ...(group.more > 0 ? [{ label: `$(ellipsis) ${group.more.toLocaleString()} more in this session`, alwaysShow: true, showsAll: true as const }] : []),
    ];
  });
}

function isChoice(item: Item): boolean {
  return item.kind !== vscode.QuickPickItemKind.Separator;
}
