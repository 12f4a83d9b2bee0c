/** Where a chat page's document finds its parts: addresses, and the origin that styles, fonts and images may come from. */
interface DocumentParts {
  readonly nonce: string;
  readonly source: string;
  readonly script: string;
  readonly style: string;
  readonly title: string;
}

/** What a chat page may load: our own script, style sheet and font, `data:` images, and the worker that its script holds. */
function chatPolicy({ nonce, source }: Pick<DocumentParts, 'nonce' | 'source'>): string {
  return ["default-src 'none'", `script-src 'nonce-${nonce}'`, `style-src ${source}`, `font-src ${source}`, `img-src ${source} data:`, 'worker-src blob:', "form-action 'none'", "base-uri 'none'"].join('; ');
}

/** The document of a chat page, with its policy. Tests serve it as VS Code shows it. */
export function chatDocument(parts: DocumentParts): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${chatPolicy(parts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${parts.style}">
<title>${escapeHtml(parts.title)}</title>
</head>
<body>
<div id="root"></div>
<script nonce="${parts.nonce}" src="${parts.script}"></script>
</body>
</html>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
