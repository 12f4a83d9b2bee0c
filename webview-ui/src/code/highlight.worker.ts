import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import csharp from 'highlight.js/lib/languages/csharp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import dockerfile from 'highlight.js/lib/languages/dockerfile';
import go from 'highlight.js/lib/languages/go';
import graphql from 'highlight.js/lib/languages/graphql';
import ini from 'highlight.js/lib/languages/ini';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import kotlin from 'highlight.js/lib/languages/kotlin';
import lua from 'highlight.js/lib/languages/lua';
import makefile from 'highlight.js/lib/languages/makefile';
import markdown from 'highlight.js/lib/languages/markdown';
import nix from 'highlight.js/lib/languages/nix';
import perl from 'highlight.js/lib/languages/perl';
import php from 'highlight.js/lib/languages/php';
import powershell from 'highlight.js/lib/languages/powershell';
import protobuf from 'highlight.js/lib/languages/protobuf';
import python from 'highlight.js/lib/languages/python';
import r from 'highlight.js/lib/languages/r';
import ruby from 'highlight.js/lib/languages/ruby';
import rust from 'highlight.js/lib/languages/rust';
import scss from 'highlight.js/lib/languages/scss';
import sql from 'highlight.js/lib/languages/sql';
import swift from 'highlight.js/lib/languages/swift';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';
import { MAX_HIGHLIGHT } from './tokens.ts';
import type { HighlightReply, HighlightRequest, TokenLine } from './tokens.ts';

const languages = {
  bash, c, cpp, csharp, css, diff, dockerfile, go, graphql, ini, java, javascript, json, kotlin, lua, makefile, markdown, nix, perl, php, powershell, protobuf, python, r, ruby, rust, scss, sql, swift, typescript, xml, yaml,
};
for (const [name, language] of Object.entries(languages)) hljs.registerLanguage(name, language);
hljs.registerAliases(['svelte', 'vue', 'svg'], { languageName: 'xml' });
hljs.registerAliases(['jsonc', 'json5'], { languageName: 'json' });
hljs.registerAliases(['shell', 'console', 'sh-session', 'terminal'], { languageName: 'bash' });

/** What highlight.js tells of a token, as one of the classes that the style sheet colours. */
const CLASSES: Readonly<Record<string, string>> = {
  keyword: 'keyword', literal: 'literal', built_in: 'type', type: 'type', 'title.class': 'type', class: 'type', number: 'number', string: 'string', regexp: 'string', char: 'string', symbol: 'literal', comment: 'comment', quote: 'comment',
  doctag: 'comment', meta: 'meta', title: 'function', function: 'function', attr: 'attribute', attribute: 'attribute', property: 'attribute', variable: 'attribute', 'template-variable': 'attribute', name: 'tag', tag: '', 'selector-tag': 'tag',
  'selector-class': 'type', 'selector-id': 'type', section: 'function', addition: 'added', deletion: 'removed', link: 'string', bullet: 'keyword', code: 'string', strong: 'strong', emphasis: 'emphasis', operator: '', punctuation: '', params: '', subst: '',
};

/** A node of highlight.js' token tree: text or a scope with children. */
type Node = string | { readonly scope?: string; readonly children?: readonly Node[] };

function flatten(root: Node): TokenLine[] {
  const lines: string[][] = [[]];
  const walk = (node: Node, inherited: string): void => {
    if (typeof node === 'string') {
      node.split('\n').forEach((text, place) => {
        if (place > 0) lines.push([]);
        const line = lines.at(-1);
        if (text === '' || line === undefined) return;
        if (line.length > 0 && line.at(-1) === inherited) line[line.length - 2] += text;
        else line.push(text, inherited);
      });
      return;
    }
    const scope = node.scope ?? '';
    const known = CLASSES[scope] ?? CLASSES[scope.split('.').slice(0, 2).join('.')] ?? CLASSES[scope.split('.')[0] ?? ''];
    for (const child of node.children ?? []) walk(child, known ?? inherited);
  };
  walk(root, '');
  return lines;
}

function highlight(code: string, language: string): readonly TokenLine[] | null {
  if (code.length > MAX_HIGHLIGHT || hljs.getLanguage(language) === undefined) return null;
  const result = hljs.highlight(code, { language, ignoreIllegals: true });
  const root: unknown = (result._emitter as unknown as { readonly rootNode?: unknown }).rootNode;
  return result.errorRaised !== undefined || root === undefined ? null : flatten(root as Node);
}

addEventListener('message', (event: MessageEvent<HighlightRequest>) => {
  const { id, code, language } = event.data;
  let lines: readonly TokenLine[] | null = null;
  try {
    lines = highlight(code, language);
  } catch {
    // Code that its grammar cannot read stays plain.
  }
  const reply: HighlightReply = { id, lines };
  postMessage(reply);
});
