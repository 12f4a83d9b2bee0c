/** The style sheet of an exported document, whole; its hash stands in the document's content security policy. */
export const STYLE = `
:root { color-scheme: light dark; --fg: #1f2328; --dim: #59636e; --bg: #ffffff; --soft: #f3f4f6; --line: #d9dde2; --link: #0969da; --good: #1a7f37; --bad: #b42318; --add: #dafbe1; --gone: #ffebe9; }
@media (prefers-color-scheme: dark) { :root { --fg: #d7dbe0; --dim: #9aa4af; --bg: #181a1f; --soft: #22262d; --line: #363c45; --link: #6cb6ff; --good: #57ab5a; --bad: #f47067; --add: #1b3a26; --gone: #43211f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 32px 20px 64px; max-width: 820px; color: var(--fg); background: var(--bg); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5em; margin: 0 0 4px; }
h2 { display: flex; gap: 12px; justify-content: space-between; margin: 0 0 4px; font-size: 0.85em; color: var(--dim); font-weight: 600; }
h2 time { font-weight: 400; }
h3, h4, h5, h6 { margin: 18px 0 6px; font-size: 1.05em; }
header { border-bottom: 1px solid var(--line); margin-bottom: 20px; }
header p, .dim, time { color: var(--dim); }
a { color: var(--link); }
code, pre, .mono { font-family: ui-monospace, SFMono-Regular, Consolas, monospace; font-size: 0.9em; }
code { background: var(--soft); border-radius: 3px; padding: 1px 4px; }
pre { margin: 8px 0; padding: 10px 12px; max-height: 480px; overflow: auto; background: var(--soft); border-radius: 6px; white-space: pre-wrap; }
pre code { background: none; padding: 0; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { border: 1px solid var(--line); padding: 4px 10px; text-align: start; }
blockquote { margin: 8px 0; padding: 0 14px; border-inline-start: 3px solid var(--line); color: var(--dim); }
.prompt { margin: 28px 0 12px; padding: 10px 14px; background: var(--soft); border-radius: 6px; }
.said { white-space: pre-wrap; }
details, .tool, .permission, .notice, .turn { margin: 6px 0; }
summary { cursor: pointer; color: var(--dim); }
.body { margin-inline-start: 6px; padding-inline-start: 14px; border-inline-start: 2px solid var(--line); }
.diff span { display: block; white-space: pre-wrap; }
.diff .add { background: var(--add); }
.diff .remove { background: var(--gone); }
.diff .hunk { color: var(--dim); }
.added { color: var(--good); }
.removed, .bad, .notice.error { color: var(--bad); }
.todo { list-style: none; padding: 0; }
.turn { font-size: 0.9em; margin-bottom: 24px; }
.files img { max-width: min(320px, 100%); max-height: 240px; border-radius: 4px; vertical-align: top; }
.file { border: 1px solid var(--line); border-radius: 4px; padding: 1px 8px; }
@media print { body { max-width: none; } pre { max-height: none; } }
`;
